import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A process, told from a later one with the same id by when it started. */
export interface ProcessRecord {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTime: string;
}

/** What a testbed leaves on the machine, written to `testbed.json` in its folder so that others can remove it. */
export interface TestbedRecord {
  readonly name: string;
  readonly owner: ProcessRecord;
  /** The pid namespace in which process ids of this record mean something, as /proc/self/ns/pid shows it. */
  readonly pidNamespace: string;
  readonly processes: readonly ProcessRecord[];
  readonly cgroup: string;
  /** The testbed is meant to outlive its owner (`npm run demo -- --keep`). */
  readonly kept: boolean;
}

/** Where testbeds have their folders, one each, named PREFIX + pid + name. */
export const RUN_FOLDER = '/run';
export const PREFIX = 'ct-testbed-';
const RECORD = 'testbed.json';

/** Describes a living process; undefined if there is none, or only a zombie. */
export const describeProcess = (pid: number): ProcessRecord | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the command in brackets, may hold blanks and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, startTime: fields[19] ?? '' };
  } catch {
    return undefined;
  }
};

export const isAlive = (record: ProcessRecord): boolean => describeProcess(record.pid)?.startTime === record.startTime;

/** Replaced in one step: a reader sees the old record or the new one. */
export const writeRecord = (folder: string, record: TestbedRecord): void => {
  const path = join(folder, RECORD);
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
};

/** Makes a testbed's folder, which has its record from the moment it exists. */
export const createFolder = (folder: string, record: TestbedRecord): void => {
  const unfinished = join(dirname(folder), `.${basename(folder)}`);
  mkdirSync(unfinished, { mode: 0o755 });
  writeRecord(unfinished, record);
  renameSync(unfinished, folder);
};

/** Reads a testbed's record; undefined if the folder is gone, or none of ours. */
export const readRecord = (folder: string): TestbedRecord | undefined => {
  try {
    return JSON.parse(readFileSync(join(folder, RECORD), 'utf8')) as TestbedRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`read testbed record in ${folder}: ${(error as Error).message}`, { cause: error });
  }
};

export const ownPidNamespace = (): string => readlinkSync('/proc/self/ns/pid');

/** The machine's first pid namespace, which sees every process (PROC_PID_INIT_INO of linux/proc_ns.h). */
const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

const hasProcesses = (pidNamespace: string): boolean =>
  readdirSync('/proc').some((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/ns/pid`) === pidNamespace;
    } catch {
      return false;
    }
  });

/** Whether the owner is certainly dead. What cannot be seen from this pid namespace counts as living. */
const isOwnerDead = (record: TestbedRecord): boolean => {
  if (record.pidNamespace === ownPidNamespace()) return !isAlive(record.owner);
  return ownPidNamespace() === INITIAL_PID_NAMESPACE && !hasProcesses(record.pidNamespace);
};

/** Mount points at or under a folder, innermost first, as this process sees them. */
const mountsUnder = (folder: string): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();

/** How long the processes of a testbed may take to die of SIGKILL: they have maps and mounts to give back. */
const DEATH_MS = 10_000;
const POLL_MS = 2;

/** Kills and waits, blocking: what a process writes after its folder has gone would stay. */
const killAll = (records: readonly ProcessRecord[]): void => {
  const alive = records.filter(isAlive);
  for (const { pid } of alive) process.kill(pid, 'SIGKILL');
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (const deadline = Date.now() + DEATH_MS; alive.some(isAlive) && Date.now() < deadline; ) Atomics.wait(sleeper, 0, 0, POLL_MS);
};

const removeCgroup = (folder: string): void => {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeCgroup(join(folder, entry.name));
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (const deadline = Date.now() + DEATH_MS; ; Atomics.wait(sleeper, 0, 0, POLL_MS)) {
    try {
      return rmdirSync(folder);
    } catch (error) {
      // A process that was killed leaves its cgroup a moment after it is dead for others.
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || Date.now() > deadline) throw error;
    }
  }
};

/**
 * Removes a testbed's processes, mounts, namespaces, cgroup and folder, all synchronously: it also runs while the
 * process exits. What is gone already does not matter.
 */
export const removeTestbed = (folder: string, record: TestbedRecord): void => {
  if (record.pidNamespace === ownPidNamespace()) killAll(record.processes);
  for (const mount of mountsUnder(folder)) execFileSync('umount', ['--lazy', mount]);
  removeCgroup(record.cgroup);
  rmSync(folder, { recursive: true, force: true });
};

/** Every testbed of this machine. */
export const listTestbeds = (): { folder: string; record: TestbedRecord; abandoned: boolean }[] =>
  readdirSync(RUN_FOLDER)
    .filter((name) => name.startsWith(PREFIX))
    .flatMap((name) => {
      const folder = join(RUN_FOLDER, name);
      const record = readRecord(folder);
      return record ? [{ folder, record, abandoned: !record.kept && isOwnerDead(record) }] : [];
    });

/** Removes what testbeds left whose owner is dead, and names their folders. */
export const removeAbandoned = (): string[] => {
  const removed: string[] = [];
  for (const { folder, record } of listTestbeds().filter((testbed) => testbed.abandoned)) {
    try {
      removeTestbed(folder, record);
      removed.push(folder);
    } catch (error) {
      // Another process may have been removing it at the same time.
      if (existsSync(folder)) throw new Error(`remove abandoned testbed ${folder}: ${(error as Error).message}`, { cause: error });
    }
  }
  return removed;
};
