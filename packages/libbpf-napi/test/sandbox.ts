import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type * as Bpf from '../src/index.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
let counter = 0;
const unique = (): string => `ct-napi-${process.pid}-${counter++}`;
const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'pipe'] });

/** Something to run at the end of a test, also of a failed one. */
export type Cleanup = (undo: () => void) => void;

/**
 * Path of a network namespace with `lo` up and a veth pair v0 (index 100) and v1 (index 101), both up. Not made by
 * `ip netns add`, which leaves a mount of /run/netns on itself behind.
 */
export const namespace = (cleanup: Cleanup): string => {
  const path = `/run/${unique()}`;
  writeFileSync(path, '');
  cleanup(() => rmSync(path));
  run('unshare', `--net=${path}`, 'true');
  cleanup(() => run('umount', path));
  const ip = (...args: string[]): string => run('nsenter', `--net=${path}`, 'ip', ...args);
  ip('link', 'add', 'v0', 'index', '100', 'type', 'veth', 'peer', 'name', 'v1', 'index', '101');
  for (const device of ['lo', 'v0', 'v1']) ip('link', 'set', device, 'up');
  return path;
};

/** A new folder under /run that is a mount point of nothing yet; unmounted and removed at the end. */
export const folder = (cleanup: Cleanup): string => {
  const path = `/run/${unique()}`;
  mkdirSync(path);
  cleanup(() => {
    try {
      run('umount', '-l', path);
    } catch {
      // was not mounted
    }
    rmSync(path, { recursive: true, force: true });
  });
  return path;
};

/** A new cgroup, on the cgroup2 file system of this machine; removed at the end, when no process may be in it any more. */
export const cgroup = (cleanup: Cleanup, parent = cgroupRoot()): string => {
  const path = `${parent}/${unique()}`;
  mkdirSync(path);
  cleanup(() => rmdirSync(path));
  return path;
};

const cgroupRoot = (): string => {
  const mount = readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2');
  if (mount?.[1] === undefined) throw new Error('no cgroup2 file system is mounted: mount -t cgroup2 none FOLDER');
  return mount[1];
};

/** A prefix for inChild(): in a network namespace and a cgroup. */
export const within = (netns: string, group: string): string[] => ['nsenter', `--net=${netns}`, 'sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', group];

// Children cannot load TypeScript on Node 20: they get a transpiled copy, from which ../prebuilds is where it is from
// src/. It is kept from run to run under a hash of the sources.
let built: string | undefined;
const library = (): string => {
  if (built !== undefined) return built;
  const sources = readdirSync(here('../src')).sort().map((file) => [file, readFileSync(here(`../src/${file}`), 'utf8')] as const);
  const hash = createHash('sha256').update(JSON.stringify([ts.version, sources])).digest('hex').slice(0, 16);
  const target = here(`../.cache/lib-${hash}`);
  if (!existsSync(target)) transpile(sources, target);
  return (built = `${target}/index.js`);
};

const transpile = (sources: readonly (readonly [file: string, text: string])[], target: string): void => {
  const fresh = `${target}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  const options = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022, rewriteRelativeImportExtensions: true };
  for (const [file, text] of sources) writeFileSync(`${fresh}/${file.replace(/\.ts$/, '.js')}`, ts.transpileModule(text, { compilerOptions: options }).outputText);
  if (!existsSync(here('../.cache/prebuilds'))) symlinkSync('../prebuilds', here('../.cache/prebuilds'));
  try {
    renameSync(fresh, target);
  } catch {
    rmSync(fresh, { recursive: true }); // another process was faster
  }
};

/** The path of a JavaScript build of this package, for child processes and worker threads. */
export const libraryPath = library;

/** Runs a function in a fresh process inside a network namespace; it can use only its parameters. */
export const inNamespace = <A, R>(path: string, body: (bpf: typeof Bpf, argument: A) => R | Promise<R>, argument: A): R => inChild(['nsenter', `--net=${path}`], body, argument);

/** Runs a function in a fresh process; it can use only its parameters. */
export const inChild = <A, R>(prefix: readonly string[], body: (bpf: typeof Bpf, argument: A) => R | Promise<R>, argument: A, nodeArguments: readonly string[] = []): R => {
  const script = `import * as bpf from ${JSON.stringify(library())}; const result = await (${body.toString()})(bpf, ${JSON.stringify(argument)}); process.stdout.write(JSON.stringify(result ?? null));`;
  const [command = process.execPath, ...args] = [...prefix, process.execPath, ...nodeArguments, '--input-type=module', '-e', script];
  return JSON.parse(run(command, ...args)) as R;
};

/** How many file descriptors this process has open on BPF things. */
export const bpfDescriptors = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('bpf');
    } catch {
      return false; // closed meanwhile
    }
  }).length;

/** A number as the four bytes of a key or value. */
export const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
export const toU32 = (bytes: Uint8Array | undefined): number => (bytes === undefined ? Number.NaN : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true));
