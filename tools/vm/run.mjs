#!/usr/bin/env node
// run.mjs [--kernel 6.1] [--memory MIB] [--timeout MINUTES] [--accel kvm] [-- COMMAND…]
// Boots another Debian kernel in QEMU with this machine's root file system underneath (read-only; what the command
// writes is lost), runs COMMAND in the project folder as root, streams its output, and exits with its exit code:
//   124 when the time is up, 125 when the machine could not be booted or went down before COMMAND ended.
// Without COMMAND: the packet tests of packages/datapath-programs and the demo. Needs root, for apt's downloads only
// the first time. QEMU translates (TCG): a nested KVM that shows itself often fails. A boot takes about a minute, and
// programs run at about a tenth of native speed; --accel kvm where it works.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildInitramfs } from './initramfs.mjs';
import { fetchKernel } from './kernel.mjs';
import { bootAndRun } from './qemu.mjs';

const root = join(import.meta.dirname, '..', '..');
const cache = join(root, '.cache', 'vm');

const defaultCommand = ['bash', join(import.meta.dirname, 'default-command.sh')];

function options() {
  const { values, positionals } = parseArgs({
    options: {
      kernel: { type: 'string', default: '6.1' },
      memory: { type: 'string', default: '4096' },
      accel: { type: 'string', default: 'tcg' },
      timeout: { type: 'string', default: '90' },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) {
    console.log('usage: run.mjs [--kernel 6.1] [--memory MIB] [--timeout MINUTES] [--accel kvm] [-- COMMAND…]');
    process.exit(0);
  }
  for (const name of ['memory', 'timeout']) {
    if (!(Number(values[name]) > 0)) throw new Error(`--${name} ${values[name]}: give a positive number`);
  }
  return {
    kernel: values.kernel,
    memory: Number(values.memory),
    accel: values.accel,
    timeoutMs: Number(values.timeout) * 60_000,
    command: positionals.length > 0 ? positionals : defaultCommand,
  };
}

async function main() {
  const { kernel: wanted, memory, accel, timeoutMs, command } = options();
  mkdirSync(cache, { recursive: true });
  const kernel = fetchKernel(cache, wanted);
  const initramfs = buildInitramfs(cache, { kernel, root, command });
  console.error(`vm: booting ${kernel.release}, then: ${command.join(' ')}`);
  try {
    return await bootAndRun({ kernel, initramfs: initramfs.path, memory, accel, timeoutMs });
  } finally {
    initramfs.remove();
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(`vm: ${error.message}`);
    process.exitCode = 125;
  },
);
