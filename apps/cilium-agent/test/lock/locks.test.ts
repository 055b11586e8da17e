import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockBpfRoot } from '../../src/lock/bpf-lock.ts';
import { processStart } from '../../src/lock/process-identity.ts';
import { lockStateFolder } from '../../src/lock/state-lock.ts';

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'lock-')); });
afterEach(() => { rmSync(folder, { recursive: true }); });

describe('lockStateFolder', () => {
  it('is held once, naming its holder', () => {
    const lock = lockStateFolder(folder);
    expect(() => lockStateFolder(folder)).toThrow(`the agent with pid ${process.pid} is using it`);
    lock.release();
    lockStateFolder(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes over from a process that is gone', () => {
    const { pid } = spawnSync(process.execPath, ['-e', '0']);
    writeFileSync(join(folder, 'agent.pid'), `${pid} 12345\n`);
    lockStateFolder(folder).release();
  });

  it('takes over where the number belongs to another process by now', () => {
    writeFileSync(join(folder, 'agent.pid'), `${process.pid} 1\n`);
    lockStateFolder(folder).release();
  });

  it('takes over from a file that makes no sense', () => {
    writeFileSync(join(folder, 'agent.pid'), '');
    lockStateFolder(folder).release();
  });
});

describe('lockBpfRoot', () => {
  it('is held once, naming its holder, and taken over from a process that is gone', () => {
    const lock = lockBpfRoot(join(folder, 'cilium'));
    expect(() => lockBpfRoot(join(folder, 'cilium'))).toThrow(`the agent with pid ${process.pid} is using it`);
    lock.release();
    symlinkSync(`${process.pid} 1`, join(folder, 'cilium', 'agent'));
    lockBpfRoot(join(folder, 'cilium')).release();
    expect(readdirSync(join(folder, 'cilium'))).toEqual([]);
  });
});

describe('processStart', () => {
  it('names a living process, and none that is gone', () => {
    expect(processStart(process.pid)).toMatch(/^\d+$/);
    expect(processStart(2 ** 22 + 1)).toBeUndefined();
  });
});
