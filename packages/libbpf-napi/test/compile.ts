import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const multiarch = ['/usr/include/x86_64-linux-gnu', '/usr/include/aarch64-linux-gnu'].filter((path) => existsSync(path));

/** Compiles a BPF program and returns the path of the object; kept from run to run under a hash of the source. */
export const compileFile = (source: string): string => {
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const folder = here(`../.cache/bpf-${hash}`);
  const object = `${folder}/${source.replace(/^.*\//, '').replace(/\.c$/, '.o')}`;
  if (existsSync(object)) return object;
  mkdirSync(folder, { recursive: true });
  const fresh = `${object}.${process.pid}`;
  execFileSync('clang', ['-g', '-O2', '-target', 'bpf', '-mcpu=v3', '-Wall', '-Werror', ...multiarch.map((path) => `-I${path}`), '-c', source, '-o', fresh]);
  renameSync(fresh, object);
  return object;
};

/** The object of test/bpf/<name>.bpf.c */
export const compile = (name: string): string => compileFile(here(`./bpf/${name}.bpf.c`));
