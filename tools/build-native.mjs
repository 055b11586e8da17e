#!/usr/bin/env node
// Compiles the Node-API addons: for each package with a native/ folder, every native/src/*.c is compiled and linked
// into prebuilds/linux-<arch>.node. An optional native/build.json adds libraries:
//   { "libs": ["elf"], "static": ["bpf"] }     -lelf; libbpf.a linked in and hidden
// Quick when up to date: a hash of everything that goes in is kept in native/build/.
// Usage: build-native.mjs [--force] [PACKAGE-FOLDER…]
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));
const headers = createRequire(import.meta.url)('node-api-headers').include_dir;
const target = `linux-${process.arch}`;

const CFLAGS = ['-std=gnu11', '-O2', '-fPIC', '-fvisibility=hidden', '-ffunction-sections', '-fdata-sections', '-fstack-protector-strong',
  '-D_GNU_SOURCE', '-D_FORTIFY_SOURCE=2', '-DNAPI_VERSION=8', '-pthread', '-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter'];
// -z now: a symbol that nobody provides fails when the addon is loaded, not when it is first called.
const LDFLAGS = ['-shared', '-pthread', '-s', '-Wl,--gc-sections', '-Wl,-z,relro,-z,now', '-Wl,-Bsymbolic', '-Wl,--exclude-libs,ALL', '-Wl,--no-undefined-version'];
const EXPORTS = '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n';
// Debian's static libraries are built for position-independent executables. Only one thing in them cannot go into a
// shared object: the direct reference to libc's `stderr` variable. It is renamed to a hidden variable of our own.
const STDERR_SHIM = `#include <stdio.h>
__attribute__((visibility("hidden"))) FILE *addon_stderr;
__attribute__((constructor)) static void set_stderr(void) { addon_stderr = stderr; }
`;

const readOptions = (native) => {
  const file = join(native, 'build.json');
  return { libs: [], static: [], ...(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) };
};

const archive = (name) => {
  const path = execFileSync('cc', [`-print-file-name=lib${name}.a`], { encoding: 'utf8' }).trim();
  if (!existsSync(path)) throw new Error(`build-native: lib${name}.a not found: apt-get install lib${name}-dev`);
  return path;
};

const inputHash = (native, sources, archives) => {
  const hash = createHash('sha256').update(execFileSync('cc', ['--version'])).update(target);
  const files = [self, join(headers, 'node_api.h'), join(headers, 'js_native_api.h'), ...sources, ...archives];
  if (existsSync(join(native, 'build.json'))) files.push(join(native, 'build.json'));
  for (const file of files) hash.update(`${basename(file)}\0`).update(readFileSync(file)).update('\0');
  return hash.digest('hex');
};

/** One relocatable object out of a static library, with what a shared object cannot hold renamed away. */
const relocatable = async (path, scratch) => {
  const object = join(scratch, `${basename(path, '.a')}.o`);
  await run('ld', ['-r', '--whole-archive', path, '-o', object]);
  await run('objcopy', ['--redefine-sym', 'stderr=addon_stderr', object]);
  return object;
};

const compile = async (source, folder, scratch) => {
  const object = join(scratch, `${basename(source)}.o`);
  await run('cc', [...CFLAGS, `-I${headers}`, `-ffile-prefix-map=${folder}=.`, '-c', source, '-o', object]);
  return object;
};

const link = async (folder, sources, options, archives, scratch) => {
  const objects = [];
  for (let i = 0; i < sources.length; i += 2) objects.push(...(await Promise.all(sources.slice(i, i + 2).map((s) => compile(s, folder, scratch)))));
  if (archives.length > 0) {
    const shim = join(scratch, 'shim.c');
    writeFileSync(shim, STDERR_SHIM);
    objects.push(await compile(shim, scratch, scratch), ...(await Promise.all(archives.map((a) => relocatable(a, scratch)))));
  }
  const script = join(scratch, 'exports.map');
  writeFileSync(script, EXPORTS);
  const out = join(scratch, 'addon.node');
  await run('cc', [...LDFLAGS, `-Wl,--version-script=${script}`, '-o', out, ...objects, ...options.libs.map((l) => `-l${l}`)]);
  return out;
};

const build = async (folder, force) => {
  const native = join(folder, 'native');
  const names = readdirSync(join(native, 'src')).sort();
  const path = (name) => join(native, 'src', name);
  const sources = names.filter((n) => n.endsWith('.c')).map(path);
  if (sources.length === 0) return;
  const options = readOptions(native);
  const archives = options.static.map(archive);
  const hash = inputHash(native, names.filter((n) => /\.[ch]$/.test(n)).map(path), archives);
  const stamp = join(native, 'build', `${target}.hash`);
  const out = join(folder, 'prebuilds', `${target}.node`);
  if (!force && existsSync(out) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  mkdirSync(dirname(stamp), { recursive: true });
  mkdirSync(dirname(out), { recursive: true });
  const scratch = mkdtempSync(join(native, 'build', 'tmp-'));
  try {
    // Renamed into place: a process that has the old file loaded keeps it.
    renameSync(await link(folder, sources, options, archives, scratch), out);
    writeFileSync(stamp, hash);
    console.error(`build-native: ${basename(folder)}/prebuilds/${target}.node`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

const args = process.argv.slice(2);
const named = args.filter((a) => !a.startsWith('-')).map((a) => resolve(a));
const found = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name)).filter((folder) => existsSync(join(folder, 'native', 'src')));
for (const folder of named.length > 0 ? named : found) {
  try {
    await build(folder, args.includes('--force'));
  } catch (error) {
    console.error(`build-native: ${basename(folder)}: ${error.stderr?.trim() || error.message}`);
    process.exitCode = 1;
  }
}
