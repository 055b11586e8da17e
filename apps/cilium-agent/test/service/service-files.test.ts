import { silentLogger } from '@cilium-ts/core';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createServiceFiles } from '../../src/service/service-files.ts';
import type { ServiceFiles } from '../../src/service/service-files.ts';
import type { FileContent, FolderSnapshot } from '../../src/source/watched-folder.ts';
import { createDocumentFolder } from '../../src/state/document-folder.ts';
import { ServiceFileRecord } from '../../src/state/schemas.ts';
import { webFile } from './support.ts';

let state: string;
let files: ServiceFiles;
let errors: string[];
const open = async (): Promise<ServiceFiles> => {
  errors = [];
  const opened = createServiceFiles('/services', { records: createDocumentFolder({ folder: join(state, 'service'), asideFolder: join(state, 'aside'), schema: ServiceFileRecord }), logger: { ...silentLogger, error: (_: unknown, text: string) => { errors.push(text); } } });
  await opened.load();
  return opened;
};
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'services-'));
  files = await open();
});
afterEach(() => rm(state, { recursive: true }));

const present = (contents: Record<string, string | FileContent>): FolderSnapshot => ({ kind: 'present', files: new Map(Object.entries(contents).map(([name, content]) => [name, typeof content === 'string' ? { text: content } : content])) });
const shown = () => Object.fromEntries(files.files().map(({ name, status, objects }) => [name, [status, ...objects.services.keys()]]));
const WEB = 'Service/shop/web';

describe('a file of services', () => {
  it('comes, changes and goes', async () => {
    expect(await files.update(present({ 'web.yaml': webFile() }))).toBe(true);
    expect(shown()).toEqual({ 'web.yaml': ['accepted', WEB] });
    expect(files.files()[0]!.objects.slices.size).toBe(1);
    expect(await files.update(present({ 'web.yaml': webFile() }))).toBe(false);
    expect(await files.update(present({ 'web.yaml': webFile({ name: 'shop' }) }))).toBe(true);
    expect(shown()).toEqual({ 'web.yaml': ['accepted', 'Service/shop/shop'] });
    expect(await files.update(present({}))).toBe(true);
    expect(shown()).toEqual({});
    expect(await readdir(join(state, 'service'))).toEqual([]);
  });

  it.each<[string, string | FileContent, RegExp]>([
    ['malformed YAML', 'kind: [oops', /web\.yaml:1/],
    ['a port that is none', webFile({ port: 99_999 }), /web\.yaml:7.*spec\.ports\[0\]\.port/],
    ['an unknown field', webFile({ extra: '  surprise: 1\n' }), /web\.yaml:8.*spec\.surprise/],
    ['nothing', '', /holds no service/],
    ['no permission', { error: 'EACCES' }, /can not be read: EACCES/],
  ])('that becomes %s keeps its last accepted form, over a restart too, and says what, where and what to do', async (_, bad, message) => {
    await files.update(present({ 'web.yaml': webFile() }));
    await files.update(present({ 'web.yaml': bad }));
    for (const restart of [false, true]) {
      if (restart) {
        files = await open();
        await files.update(present({ 'web.yaml': bad }));
      }
      expect(shown()).toEqual({ 'web.yaml': ['last-accepted', WEB] });
      expect(files.problems()).toEqual([expect.stringMatching(message)]);
      expect(files.files()[0]!.issues[0]!.remedy).not.toBe('');
    }
    await files.update(present({ 'web.yaml': webFile({ name: 'good' }) }));
    expect(shown()).toEqual({ 'web.yaml': ['accepted', 'Service/shop/good'] });
    expect(files.problems()).toEqual([]);
  });

  it('that never was good gives nothing, and harms no other', async () => {
    await files.update(present({ 'bad.yaml': 'kind: [', 'web.yaml': webFile() }));
    expect(shown()).toEqual({ 'bad.yaml': ['rejected'], 'web.yaml': ['accepted', WEB] });
  });

  it('may not define what another does, until that one lets go of it', async () => {
    await files.update(present({ 'a.yaml': webFile(), 'b.yaml': webFile() }));
    expect(shown()).toEqual({ 'a.yaml': ['accepted', WEB], 'b.yaml': ['rejected'] });
    expect(files.problems()).toEqual([expect.stringMatching(/b\.yaml.*Service\/shop\/web is defined by a\.yaml already/)]);
    await files.update(present({ 'a.yaml': webFile({ name: 'other' }), 'b.yaml': webFile() }));
    expect(shown()).toEqual({ 'a.yaml': ['accepted', 'Service/shop/other'], 'b.yaml': ['accepted', WEB] });
    await files.update(present({ 'b.yaml': webFile() }));
    expect(shown()).toEqual({ 'b.yaml': ['accepted', WEB] });
  });

  it('that is refused for what another one has is told of once', async () => {
    await files.update(present({ 'a.yaml': webFile(), 'b.yaml': webFile() }));
    expect(errors).toEqual(['Service', 'EndpointSlice'].map((kind) => expect.stringMatching(new RegExp(`^b\\.yaml.*${kind}/shop/web.* is defined by a\\.yaml already`)) as unknown));
    for (const name of ['one', 'two']) await files.update(present({ 'a.yaml': webFile(), 'b.yaml': webFile(), 'c.yaml': webFile({ name }) }));
    expect(errors).toHaveLength(2);
    await files.update(present({ 'a.yaml': webFile(), 'b.yaml': webFile({ backends: [] }), 'c.yaml': webFile({ name: 'two' }) }));
    expect(errors).toHaveLength(4);
  });

  it('whose record is corrupt is set aside, and the file itself counts', async () => {
    await files.update(present({ 'web.yaml': webFile() }));
    await writeFile(join(state, 'service', 'web.yaml.json'), '{');
    files = await open();
    await files.update(present({ 'web.yaml': webFile() }));
    expect(shown()).toEqual({ 'web.yaml': ['accepted', WEB] });
    expect((await readdir(join(state, 'aside'))).length).toBe(1);
  });
});

describe('the folder', () => {
  it('that is gone changes nothing, over a restart too, and is read again when it is back', async () => {
    await files.update(present({ 'web.yaml': webFile() }));
    for (const restart of [false, true]) {
      if (restart) files = await open();
      expect(await files.update({ kind: 'gone', reason: 'ENOENT' })).toBe(true);
      expect(shown()).toEqual({ 'web.yaml': ['accepted', WEB] });
      expect(files.problems()).toEqual([expect.stringMatching(/ENOENT; everything accepted from it stays/)]);
      expect(await files.update({ kind: 'gone', reason: 'ENOENT' })).toBe(false);
    }
    expect(await files.update(present({}))).toBe(true);
    expect([shown(), files.problems()]).toEqual([{}, []]);
  });
});
