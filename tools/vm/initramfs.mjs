// The first file system of the guest: a static busybox, the modules that reach the host's root over 9p, two scripts.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What the root file system needs; their dependencies come from modules.dep. */
const wantedModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/**
 * @param {string} cache folder to build in
 * @param {{ kernel: { modules: string, config: string, release: string }, root: string, command: readonly string[] }} spec
 *   root: the project folder, in which the guest runs the command
 * @returns {{ path: string, remove: () => void }}
 */
export function buildInitramfs(cache, { kernel, root, command }) {
  const work = mkdtempSync(join(cache, 'initramfs-'));
  const tree = join(work, 'tree');
  for (const folder of ['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'upper', 'newroot']) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(tree, 'bin', 'busybox'));
  const modules = loadOrder(kernel.modules);
  for (const module of modules) copyFileSync(join(kernel.modules, module), join(tree, 'modules', basename(module)));
  writeFileSync(join(tree, 'modules', 'order'), modules.map((module) => `${basename(module)}\n`).join(''));
  for (const script of ['init', 'guest']) {
    copyFileSync(join(import.meta.dirname, `${script}.sh`), join(tree, script));
    chmodSync(join(tree, script), 0o755);
  }
  writeFileSync(join(tree, 'command'), commandScript(kernel, root, command));
  const path = join(work, 'initramfs.gz');
  pack(tree, path);
  return { path, remove: () => rmSync(work, { recursive: true, force: true }) };
}

/** The wanted modules after everything they depend on. */
function loadOrder(modules) {
  const dependencies = new Map();
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [file, rest = ''] = line.split(':');
    if (file) dependencies.set(file, rest.trim().split(' ').filter(Boolean));
  }
  const ordered = new Set();
  const add = (file) => {
    for (const dependency of [...dependencies.get(file)].reverse()) add(dependency);
    ordered.add(file);
  };
  for (const name of wantedModules) {
    const file = [...dependencies.keys()].find((key) => basename(key).replace(/\.ko(\..*)?$/, '') === name);
    if (file === undefined) throw new Error(`${dirname(modules)} has no module ${name}`);
    add(file);
  }
  return [...ordered];
}

/** Sourced by the guest once the host's root is in place. */
function commandScript(kernel, root, command) {
  const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  return [
    `release=${quote(kernel.release)}`,
    `modules=${quote(kernel.modules)}`,
    `config=${quote(kernel.config)}`,
    `project=${quote(root)}`,
    `command=(${command.map(quote).join(' ')})`,
    `export PATH=${quote(process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin')}`,
    '',
  ].join('\n');
}

function pack(tree, path) {
  const script = 'set -o pipefail; find . | cpio --quiet -o -H newc | gzip -1 > "$1"';
  const result = spawnSync('bash', ['-c', script, 'pack', path], { cwd: tree, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`packing the initramfs failed: ${result.stderr.trim()}`);
}
