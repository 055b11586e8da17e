#!/usr/bin/env node
// Brings a bare Debian machine to where the project builds and runs: Debian packages, node_modules, the native
// addons, the eBPF objects and the TypeScript build. Each step looks first and does nothing where nothing is missing.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('../..', import.meta.url).pathname;
const packages = {
  build: ['clang', 'llvm', 'gcc', 'libc6-dev', 'linux-libc-dev', 'libbpf-dev', 'libelf-dev', 'zlib1g-dev', 'bpftool'],
  run: ['libelf1', 'zlib1g', 'nftables', 'iproute2', 'iputils-ping', 'procps', 'util-linux'],
};

/** @param {{ vm?: boolean }} [options] vm: also what boots another kernel in QEMU */
export function setup({ vm = false } = {}) {
  checkMachine();
  const wanted = [...packages.build, ...packages.run];
  if (vm) wanted.push('qemu-system-x86', 'busybox-static', 'cpio', 'kmod', 'gzip', 'ca-certificates');
  installDebianPackages(wanted);
  installNodeModules();
  run('native addons', 'node', ['tools/build-native.mjs']);
  run('eBPF objects', 'node', ['tools/bpf-build/build.mjs']);
  run('packages', 'node_modules/.bin/nx', ['run-many', '-t', 'build', '--parallel=2', '--outputStyle=static']);
}

function checkMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old: install Node 20.19 or newer.`);
  }
  if (process.platform !== 'linux') fail(`${process.platform} has no eBPF: run this on Linux 6.1 or newer.`);
  if (process.getuid() !== 0) fail('Namespaces and eBPF need root: run this as root.');
}

function installDebianPackages(wanted) {
  const missing = wanted.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const manual = `Install by hand what Debian calls: ${missing.join(' ')}`;
  if (spawnSync('apt-get', ['--version']).status !== 0) fail(`This machine has no apt-get. ${manual}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('package lists', 'apt-get', ['update', '-qq'], { env, fatal: false });
  run(`Debian packages: ${missing.join(' ')}`, 'apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env });
}

function isInstalled(name) {
  const query = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' });
  return query.status === 0 && query.stdout === 'installed';
}

function installNodeModules() {
  const stamp = join(root, 'node_modules', '.cilium-ts-lock');
  const lock = createHash('sha256').update(readFileSync(join(root, 'package-lock.json'))).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  run('node_modules', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stamp, lock);
}

/** Runs one step quietly; its output is shown only when it fails. */
function run(what, command, args, { env = process.env, fatal = true } = {}) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, env: { ...env, NX_DAEMON: 'false', NX_TUI: 'false' }, encoding: 'utf8', maxBuffer: 1 << 28 });
  const seconds = (Date.now() - started) / 1000;
  if (result.status === 0) {
    if (seconds > 1) console.error(`setup: ${what} (${seconds.toFixed(1)} s)`);
    return;
  }
  console.error(result.stdout, result.stderr, result.error ?? '');
  if (fatal) fail(`${what}: \`${command} ${args.join(' ')}\` failed (exit ${result.status})`);
}

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

if (process.argv[1] === new URL(import.meta.url).pathname) setup({ vm: process.argv.includes('--vm') });
