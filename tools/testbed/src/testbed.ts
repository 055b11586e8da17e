import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PREFIX, RUN_FOLDER, createFolder, describeProcess, isAlive, ownPidNamespace, removeAbandoned, removeTestbed, writeRecord } from './cleanup.ts';
import type { ProcessRecord, TestbedRecord } from './cleanup.ts';
import { guardExit } from './exit-guard.ts';
import { makeNode } from './node.ts';
import type { TestbedNode } from './node.ts';
import { makeOutside } from './outside.ts';
import type { Outside, OutsideOptions } from './outside.ts';

export interface TestbedOptions {
  /** Letters, digits and dashes; part of every name on the machine. */
  readonly name: string;
}

/**
 * Nodes, pods and an outside world made of network namespaces. Everything lives under one folder and one cgroup of its
 * own; nothing of the machine is touched. Closed by `close()`, and on every way the process can end; what a killed
 * process leaves is removed by the next testbed or by the `clean` command.
 */
export interface Testbed extends AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  createNode(name: string): Promise<TestbedNode>;
  createOutside(options?: OutsideOptions): Promise<Outside>;
  /** Leaves everything as it is, for people to look around; `removeTestbed` or the `clean --kept` command takes it down. */
  keep(): void;
  close(): Promise<void>;
}

/** What the parts of a testbed need of it. */
export interface Bench {
  readonly folder: string;
  readonly cgroup: string;
  /** Registers a process to be killed when the testbed ends. */
  adopt(pid: number): void;
  /** Something to close, in reverse, before the testbed is removed. */
  onClose(close: () => void | Promise<void>): void;
}

let count = 0;

/** Makes an empty testbed. Needs root. */
export const createTestbed = (options: TestbedOptions): Testbed => {
  const { name } = options;
  if (!/^[a-z0-9-]{1,32}$/i.test(name)) throw new TypeError(`name: ${JSON.stringify(name)} is not 1 to 32 letters, digits and dashes`);
  if (process.getuid?.() !== 0) throw new Error('create testbed: needs root: it makes network namespaces');
  removeAbandoned();
  const unique = `${PREFIX}${process.pid}-${name}-${count++}`;
  const folder = join(RUN_FOLDER, unique);
  const cgroup = join(cgroupRoot(), unique);
  const state = new TestbedState(name, folder, cgroup);
  state.create();
  return testbedHandle(state);
};

/** Where the unified hierarchy is mounted. */
const cgroupRoot = (): string => {
  const line = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((mount) => mount.split(' ')[2] === 'cgroup2');
  const path = line?.split(' ')[1];
  if (path === undefined || !existsSync(path)) throw new Error('create testbed: no cgroup2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified');
  return path;
};

class TestbedState implements Bench {
  readonly name: string;
  readonly folder: string;
  readonly cgroup: string;
  readonly #owner = describeProcess(process.pid)!;
  readonly #processes = new Map<number, ProcessRecord>();
  readonly #closers: (() => void | Promise<void>)[] = [];
  #kept = false;
  readonly #unguard: () => void;
  #closing: Promise<void> | undefined;
  #removed = false;

  constructor(name: string, folder: string, cgroup: string) {
    this.name = name;
    this.folder = folder;
    this.cgroup = cgroup;
    this.#unguard = guardExit({ removeNow: () => this.#remove() });
  }

  adopt(pid: number): void {
    const record = describeProcess(pid);
    if (!record) return;
    for (const [known, process] of this.#processes) if (!isAlive(process)) this.#processes.delete(known);
    this.#processes.set(pid, record);
    this.save();
  }

  onClose(close: () => void | Promise<void>): void {
    if (this.#closing) throw new TypeError('the testbed is closed');
    this.#closers.push(close);
  }

  create(): void {
    createFolder(this.folder, this.#record());
    mkdirSync(this.cgroup);
  }

  save(): void {
    writeRecord(this.folder, this.#record());
  }

  keep(): void {
    this.#kept = true;
    this.#unguard();
    this.save();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #record(): TestbedRecord {
    return { name: this.name, owner: this.#owner, pidNamespace: ownPidNamespace(), processes: [...this.#processes.values()], cgroup: this.cgroup, kept: this.#kept };
  }

  async #close(): Promise<void> {
    const results = [];
    for (const close of this.#closers.reverse()) results.push(...(await Promise.allSettled([close()])));
    this.#remove();
    this.#unguard();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #remove(): void {
    if (this.#removed) return;
    this.#removed = true;
    removeTestbed(this.folder, this.#record());
  }
}

const testbedHandle = (state: TestbedState): Testbed => {
  let nodes = 0;
  const taken = new Set<string>();
  const claim = (name: string): string => {
    if (!/^[a-z0-9-]{1,24}$/i.test(name)) throw new TypeError(`name: ${JSON.stringify(name)} is not 1 to 24 letters, digits and dashes`);
    if (taken.has(name)) throw new TypeError(`name: ${name} is taken in this testbed`);
    taken.add(name);
    return name;
  };
  return {
    name: state.name,
    folder: state.folder,
    createNode: async (name) => makeNode(state, claim(name), nodes++),
    createOutside: async (options = {}) => makeOutside(state, claim(options.name ?? 'outside'), options),
    keep: () => state.keep(),
    close: () => state.close(),
    [Symbol.asyncDispose]: () => state.close(),
  };
};
