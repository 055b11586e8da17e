import { silentLogger } from '@cilium-ts/core';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWatchedFolder } from '../../src/source/watched-folder.ts';
import type { FolderSnapshot, WatchedFolder } from '../../src/source/watched-folder.ts';

let base: string;
let path: string;
let folder: WatchedFolder;
let seen: FolderSnapshot[];
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'folder-'));
  path = join(base, 'policies');
  await mkdir(path);
  folder = createWatchedFolder(path, { what: 'policy folder', logger: silentLogger });
  seen = [];
});
afterEach(async () => {
  folder.close();
  await rm(base, { recursive: true });
});

const follow = async () => {
  await folder.read();
  folder.watch((snapshot) => {
    seen.push(snapshot);
    return Promise.resolve();
  });
};
const last = () => {
  const snapshot = seen.at(-1);
  return snapshot?.kind === 'present' ? Object.fromEntries([...snapshot.files].map(([name, content]) => [name, 'text' in content ? content.text : 'error'])) : snapshot?.kind;
};
const becomes = (expected: unknown) => expect.poll(last, { timeout: 5000, interval: 5 }).toEqual(expected);
const put = async (name: string, text: string) => {
  await writeFile(join(base, 'draft'), text);
  await rename(join(base, 'draft'), join(path, name));
};

describe('createWatchedFolder', () => {
  it('reads policy files and nothing else', async () => {
    for (const name of ['a.yaml', 'b.yml', 'c.json', '.d.yaml', 'e.yaml~', 'f.txt', '.g.yaml.swp']) await writeFile(join(path, name), name);
    const snapshot = await folder.read();
    expect(snapshot.kind === 'present' && [...snapshot.files.keys()]).toEqual(['a.yaml', 'b.yml', 'c.json']);
  });

  it('hears of files that come by rename, change in place and go', async () => {
    await follow();
    await put('a.yaml', '1');
    await becomes({ 'a.yaml': '1' });
    await put('a.yaml', '2');
    await becomes({ 'a.yaml': '2' });
    await writeFile(join(path, 'a.yaml'), '3');
    await becomes({ 'a.yaml': '3' });
    await rm(join(path, 'a.yaml'));
    await becomes({});
  });

  it('does not show what is being written while it is being written', async () => {
    await put('a.yaml', 'whole');
    await follow();
    for (let at = 0; at < 10; at++) {
      await writeFile(join(path, 'a.yaml'), `part ${at}`);
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
    await becomes({ 'a.yaml': 'part 9' });
    const shown = seen.map((snapshot) => (snapshot.kind === 'present' ? snapshot.files.get('a.yaml') : undefined));
    expect(shown.length).toBeLessThan(10);
  });

  it('hears of the folder going, coming back and being replaced', async () => {
    await put('a.yaml', '1');
    await follow();
    await rename(path, `${path}-away`);
    await becomes('gone');
    await mkdir(path);
    await becomes({});
    await put('b.yaml', '2');
    await becomes({ 'b.yaml': '2' });
    await rename(path, `${path}-old`);
    await rename(`${path}-away`, path);
    await becomes({ 'a.yaml': '1' });
    await put('a.yaml', '9');
    await becomes({ 'a.yaml': '9' });
  });

  it('does not show the files as missing while the folder is deleted and made anew', async () => {
    for (const name of ['a.yaml', 'b.yaml', 'c.yaml']) await put(name, '1');
    await follow();
    const pause = (milliseconds: number) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
    for (const name of ['a.yaml', 'b.yaml', 'c.yaml']) {
      await rm(join(path, name));
      await pause(20);
    }
    await rm(path, { recursive: true });
    await becomes('gone');
    await mkdir(path);
    await pause(50);
    for (const name of ['a.yaml', 'b.yaml']) {
      await put(name, '2');
      await pause(50);
    }
    // What was not written again has been removed.
    await becomes({ 'a.yaml': '2', 'b.yaml': '2' });
    const names = seen.flatMap((snapshot) => (snapshot.kind === 'present' ? [[...snapshot.files.keys()].join(' ')] : []));
    expect([...new Set(names)]).toEqual(['a.yaml b.yaml c.yaml', 'a.yaml b.yaml']);
  });

  it('shows a folder as empty from which all files were removed, and one that was made anew and stays empty', async () => {
    await put('a.yaml', '1');
    await follow();
    await rm(join(path, 'a.yaml'));
    await becomes({});
    await put('a.yaml', '2');
    await becomes({ 'a.yaml': '2' });
    await rm(path, { recursive: true });
    await mkdir(path);
    await becomes({});
  });

  it('follows a folder that is a symbolic link and gets another target, without a moment between', async () => {
    for (const [version, name] of [['v1', 'b.yaml'], ['v2', 'c.yaml']] as const) {
      await mkdir(join(base, version));
      for (const file of ['a.yaml', name]) await writeFile(join(base, version, file), version);
    }
    await rm(path, { recursive: true });
    await symlink(join(base, 'v1'), path);
    await follow();
    await symlink(join(base, 'v2'), join(base, 'next'));
    await rename(join(base, 'next'), path);
    await becomes({ 'a.yaml': 'v2', 'c.yaml': 'v2' });
    expect(seen.every((snapshot) => snapshot.kind === 'present' && snapshot.files.has('a.yaml'))).toBe(true);
  });

  it('follows ..data of a mounted ConfigMap, whose keys come and go', async () => {
    const version = async (name: string, files: Record<string, string>) => {
      await mkdir(join(path, name));
      for (const [file, text] of Object.entries(files)) await writeFile(join(path, name, file), text);
      await symlink(name, join(path, '..data_tmp'));
      await rename(join(path, '..data_tmp'), join(path, '..data'));
    };
    await version('..one', { 'a.yaml': '1', 'b.yaml': '1' });
    for (const name of ['a.yaml', 'b.yaml']) await symlink(join('..data', name), join(path, name));
    await follow();
    await version('..two', { 'a.yaml': '2', 'c.yaml': '2' });
    await symlink(join('..data', 'c.yaml'), join(path, 'c.yaml'));
    await rm(join(path, 'b.yaml'));
    await rm(join(path, '..one'), { recursive: true });
    await becomes({ 'a.yaml': '2', 'c.yaml': '2' });
    expect(seen.every((snapshot) => snapshot.kind === 'present' && snapshot.files.has('a.yaml'))).toBe(true);
  });

  it('sees a symbolic link change its target, as a mounted ConfigMap does', async () => {
    for (const version of ['v1', 'v2']) {
      await mkdir(join(base, version));
      await writeFile(join(base, version, 'a.yaml'), version);
    }
    await symlink(join(base, 'v1'), join(base, 'data'));
    await symlink(join(base, 'data', 'a.yaml'), join(path, 'a.yaml'));
    await follow();
    await symlink(join(base, 'v2'), join(base, 'next'));
    await rename(join(base, 'next'), join(base, 'data'));
    await becomes({ 'a.yaml': 'v2' });
  });

  it('reports a file it can not read', async () => {
    await mkdir(join(path, 'a.yaml'));
    const snapshot = await folder.read();
    expect(snapshot.kind === 'present' && snapshot.files.get('a.yaml')).toEqual({ error: expect.stringContaining('not a regular file') });
  });

  it('reports what is no file, and goes on reading the others', async () => {
    await follow();
    execFileSync('mkfifo', [join(path, 'a.yaml')]);
    await symlink('/dev/zero', join(path, 'b.yaml'));
    await mkdir(join(path, 'c.yaml'));
    await put('d.yaml', '1');
    await becomes({ 'a.yaml': 'error', 'b.yaml': 'error', 'c.yaml': 'error', 'd.yaml': '1' });
    await rm(join(path, 'a.yaml'));
    await put('a.yaml', '2');
    await becomes({ 'a.yaml': '2', 'b.yaml': 'error', 'c.yaml': 'error', 'd.yaml': '1' });
  });

  it('does not take a link that leads nowhere for a file that is gone', async () => {
    await writeFile(join(base, 'target'), '1');
    await symlink(join(base, 'target'), join(path, 'a.yaml'));
    await follow();
    await put('b.yaml', '1');
    await becomes({ 'a.yaml': '1', 'b.yaml': '1' });
    await rm(join(base, 'target'));
    await becomes({ 'a.yaml': 'error', 'b.yaml': '1' });
    await rm(join(path, 'a.yaml'));
    await becomes({ 'b.yaml': '1' });
  });

  it('tries again when the work on a look fails', async () => {
    let tries = 0;
    await folder.read();
    folder.watch((snapshot) => {
      tries++;
      if (tries === 1) return Promise.reject(new Error('no'));
      seen.push(snapshot);
      return Promise.resolve();
    });
    await put('a.yaml', '1');
    await becomes({ 'a.yaml': '1' });
  });
});
