#!/usr/bin/env node
/**
 * Compiles every `bpf/programs/<name>.c` to `packages/datapath-programs/objects/<name>.o`.
 *
 * Debug sections are stripped (BTF stays: map and event layouts are read from it). A build is skipped when neither
 * sources, flags nor the compiler changed since the object was written, so that calling this on every test run costs
 * milliseconds. `--force` builds regardless. Exit status 1 and the compiler's own words on failure.
 */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const sourceFolder = join(root, 'bpf');
const objectFolder = join(root, 'packages', 'datapath-programs', 'objects');
const cacheFolder = join(root, '.cache', 'bpf-build');
const MULTIARCH = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu', riscv64: 'riscv64-linux-gnu' };
const FLAGS = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-fno-strict-aliasing', '-Wall', '-Wextra', '-Werror',
  '-Wno-unused-function', '-Wno-address-of-packed-member', '-Wno-pass-failed'];

/** The first command of the list that runs, with what it says about its version. */
function findTool(candidates) {
  for (const command of candidates) {
    try {
      return { command, version: execFileSync(command, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }) };
    } catch {
      // not installed under this name: try the next one
    }
  }
  console.error(`bpf-build: none of ${candidates.join(', ')} is installed; install Debian's packages clang and llvm`);
  process.exit(1);
}

function listFiles(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.[ch]$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function fingerprint(clang, strip) {
  const hash = createHash('sha256').update(JSON.stringify([FLAGS, clang.version, strip.version]));
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  for (const file of listFiles(sourceFolder)) hash.update(file.slice(root.length)).update(readFileSync(file));
  return hash.digest('hex');
}

function compile(source, object, clang, strip) {
  const temporary = `${object}.${process.pid}.tmp`;
  const include = join('/usr/include', MULTIARCH[process.arch] ?? '');
  try {
    execFileSync(clang.command, [...FLAGS, `-I${include}`, `-I${sourceFolder}`, '-c', source, '-o', temporary], { stdio: ['ignore', 'inherit', 'inherit'] });
    execFileSync(strip.command, ['-g', temporary], { stdio: ['ignore', 'inherit', 'inherit'] });
    renameSync(temporary, object);
  } catch {
    rmSync(temporary, { force: true });
    console.error(`bpf-build: compiling ${source.slice(root.length + 1)} failed (see above)`);
    process.exit(1);
  }
}

const force = process.argv.includes('--force');
const clang = findTool(['clang', 'clang-19', 'clang-16', 'clang-15', 'clang-14']);
const strip = findTool(['llvm-strip', 'llvm-strip-19', 'llvm-strip-16', 'llvm-strip-15', 'llvm-strip-14']);
const stamp = fingerprint(clang, strip);
mkdirSync(objectFolder, { recursive: true });
mkdirSync(cacheFolder, { recursive: true });

for (const file of readdirSync(join(sourceFolder, 'programs')).filter((name) => name.endsWith('.c')).sort()) {
  const name = basename(file, '.c');
  const object = join(objectFolder, `${name}.o`);
  const stampFile = join(cacheFolder, `${name}.sha256`);
  const upToDate = existsSync(object) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (upToDate && !force) continue;
  compile(join(sourceFolder, 'programs', file), object, clang, strip);
  writeFileSync(stampFile, stamp);
  console.error(`bpf-build: ${name}.o`);
}
