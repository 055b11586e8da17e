import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { createTestbed, listTestbeds, removeAbandoned, removeTestbed } from '../src/index.ts';
import { describeProcess } from '../src/cleanup.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');

interface Report {
  readonly folder: string;
  readonly cgroup: string;
  readonly probe: number;
}

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Runs the fixture until it has reported, and until its end where it ends by itself. */
const shortLived = async (way: string): Promise<{ report: Report; child: ChildProcess; exit: Promise<[number | null, string | null]> }> => {
  const child = spawn(process.execPath, ['--conditions=@cilium-ts/source', '--import', join(FIXTURES, 'run-typescript.mjs'), join(FIXTURES, 'short-lived.ts'), way], { stdio: ['ignore', 'pipe', 'ignore'] });
  started.push(child);
  const exit = new Promise<[number | null, string | null]>((resolve) => child.once('close', (code, signal) => resolve([code, signal])));
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface({ input: child.stdout! }).once('line', resolve)),
    exit.then(([code, signal]) => Promise.reject(new Error(`the fixture ended at once: ${code} ${signal}`))),
  ]);
  return { report: JSON.parse(line) as Report, child, exit };
};

const untilDead = async (pid: number): Promise<void> => {
  while (describeProcess(pid)) await new Promise((resolve) => setTimeout(resolve, 2));
};

const expectNothingLeft = async ({ folder, cgroup, probe }: Report): Promise<void> => {
  await untilDead(probe);
  expect(existsSync(folder)).toBe(false);
  expect(existsSync(cgroup)).toBe(false);
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
};

describe('leaves nothing behind', () => {
  it('when closed, once or twice', async () => {
    const testbed = createTestbed({ name: 'closed' });
    const node = await testbed.createNode('n1');
    const { pid: probe } = await (await node.createPod('p1')).probe();
    // The kernel may put two files of its own into every bpffs.
    expect(readdirSync(node.folders.bpf).filter((name) => !name.endsWith('.debug'))).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toContain(`${node.folders.bpf} rw`);
    expect(existsSync(node.folders.cgroup)).toBe(true);
    await testbed.close();
    await testbed.close();
    await expectNothingLeft({ folder: testbed.folder, cgroup: node.folders.cgroup, probe });
    await expect(testbed.createNode('n2')).rejects.toThrow();
  });

  it.each([['exit', [3, null]], ['throw', [1, null]]] as const)('when the process ends by %s', async (way, ending) => {
    const { report, exit } = await shortLived(way);
    expect(await exit).toEqual(ending);
    await expectNothingLeft(report);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('when the process gets %s', async (signal) => {
    const { report, child, exit } = await shortLived('wait');
    expect(existsSync(report.folder)).toBe(true);
    child.kill(signal);
    expect(await exit).toEqual([null, signal]);
    await expectNothingLeft(report);
  });

  it('for longer than until the next one, when the process is killed', async () => {
    const { report, child, exit } = await shortLived('wait');
    child.kill('SIGKILL');
    await exit;
    await untilDead(report.probe);
    expect(listTestbeds().find(({ folder }) => folder === report.folder)?.abandoned).toBe(true);
    expect(removeAbandoned()).toContain(report.folder);
    await expectNothingLeft(report);
  });
});

it('stays when kept, until it is removed', async () => {
  const { report, exit } = await shortLived('keep');
  await exit;
  expect(removeAbandoned()).not.toContain(report.folder);
  const kept = listTestbeds().find(({ folder }) => folder === report.folder)!;
  expect(kept).toMatchObject({ abandoned: false, record: { kept: true, name: 'short' } });
  removeTestbed(report.folder, kept.record);
  await expectNothingLeft(report);
});

it('leaves the testbeds of the living alone', async () => {
  await using testbed = createTestbed({ name: 'living' });
  expect(removeAbandoned()).not.toContain(testbed.folder);
  expect(listTestbeds().find(({ folder }) => folder === testbed.folder)).toMatchObject({ abandoned: false, record: { name: 'living' } });
});

it('leaves alone what another pid namespace may still use', async () => {
  await using testbed = createTestbed({ name: 'foreign' });
  const code = `import { removeAbandoned, listTestbeds } from '${join(import.meta.dirname, '../src/cleanup.ts')}';
    removeAbandoned();
    console.log(listTestbeds().filter(({ folder, abandoned }) => folder === '${testbed.folder}' && !abandoned).length);`;
  const args = ['--conditions=@cilium-ts/source', '--import', join(FIXTURES, 'run-typescript.mjs'), '--input-type=module', '--eval', code];
  expect(execFileSync('unshare', ['--pid', '--fork', '--mount-proc', process.execPath, ...args], { encoding: 'utf8' }).trim()).toBe('1');
  expect(existsSync(testbed.folder)).toBe(true);
});

it('takes a pod away, and with it the other end of its device', async () => {
  await using testbed = createTestbed({ name: 'removed' });
  const node = await testbed.createNode('n1');
  const pod = await node.createPod('p1');
  await node.connectPlainly(pod, { ipv4: '10.1.0.1' });
  const { pid } = await pod.probe();
  await pod.remove();
  await pod.remove();
  expect(existsSync(pod.netns)).toBe(false);
  expect(describeProcess(pid)).toBeUndefined();
  // The kernel takes namespaces down in the background.
  await vi.waitFor(async () => expect(await node.netlink.listLinks({ kind: 'veth' })).toEqual([]), { timeout: 10_000 });
});

it('refuses names that would not do', async () => {
  await using testbed = createTestbed({ name: 'names' });
  expect(() => createTestbed({ name: '../x' })).toThrow(/^name: /);
  await testbed.createNode('n1');
  await expect(testbed.createNode('n1')).rejects.toThrow('name: n1 is taken');
  await expect(testbed.createNode('a/b')).rejects.toThrow(TypeError);
});
