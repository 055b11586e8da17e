import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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

/** Reads a testbed's record; undefined if its folder has none. */
export const readRecord = (folder: string): TestbedRecord | undefined => {
  try {
    return JSON.parse(readFileSync(join(folder, RECORD), 'utf8')) as TestbedRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`read testbed record in ${folder}: ${(error as Error).message}`, { cause: error });
  }
};

/** Mount points at or under a folder, innermost first, as this process sees them. */
const mountsUnder = (folder: string): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();

const kill = (record: ProcessRecord): void => {
  try {
    if (isAlive(record)) process.kill(record.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

const removeCgroup = (folder: string): void => {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeCgroup(join(folder, entry.name));
  rmdirSync(folder);
};

/**
 * Removes a testbed's processes, mounts, namespaces, cgroup and folder, all synchronously: it also runs while the
 * process exits. What is gone already does not matter.
 */
export const removeTestbed = (folder: string, record: TestbedRecord | undefined): void => {
  record?.processes.forEach(kill);
  for (const mount of mountsUnder(folder)) execFileSync('umount', ['--lazy', mount]);
  if (record) removeCgroup(record.cgroup);
  rmSync(folder, { recursive: true, force: true });
};

/** Every testbed of this machine: its folder and, where it could be written in time, its record. */
export const listTestbeds = (): { folder: string; record: TestbedRecord | undefined; abandoned: boolean }[] =>
  readdirSync(RUN_FOLDER)
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => {
      const folder = join(RUN_FOLDER, name);
      const record = readRecord(folder);
      const pid = Number(name.slice(PREFIX.length).split('-')[0]);
      const owner = record ? isAlive(record.owner) : describeProcess(pid) !== undefined;
      return { folder, record, abandoned: !owner && !record?.kept };
    });

/** Removes what testbeds left whose owner is dead, and names their folders. */
export const removeAbandoned = (): string[] => {
  const abandoned = listTestbeds().filter((testbed) => testbed.abandoned);
  for (const { folder, record } of abandoned) removeTestbed(folder, record);
  return abandoned.map(({ folder }) => folder);
};
