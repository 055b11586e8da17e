import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..');
const cache = join(folder, '..', '..', '.cache', 'bench');

/** Compiles the program that restores test packets (bpf/wrapper.bpf.c). Returns the object's path. */
export function buildWrapper(): string {
  // Debian keeps asm/types.h in a folder per architecture, which clang does not search for the BPF target.
  const include = spawnSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).stdout.trim();
  return build('wrapper.bpf.o', join(folder, 'bpf', 'wrapper.bpf.c'), (source, target) => [
    'clang', '-O2', '-g', '-Wall', '-Werror', '-target', 'bpf', `-I/usr/include/${include}`, '-c', source, '-o', target,
  ]);
}

/** Compiles the traffic generator (native/traffic.c). Returns the path of the command. */
export function buildTraffic(): string {
  return build('traffic', join(folder, 'native', 'traffic.c'), (source, target) => ['cc', '-O2', '-Wall', source, '-o', target]);
}

function build(name: string, source: string, command: (source: string, target: string) => string[]): string {
  const target = join(cache, name);
  if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) return target;
  mkdirSync(cache, { recursive: true });
  const [compiler = '', ...args] = command(source, target);
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`compiling ${source} failed: ${error?.message ?? stderr}`);
  return target;
}
