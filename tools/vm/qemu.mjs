// Runs QEMU: the console goes to standard output, the exit code comes back on the second serial port.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Boots and waits for power-off.
 * @param {{ kernel: { image: string }, initramfs: string, memory: number, accel: string, timeoutMs: number }} spec
 *   memory in MiB; accel as QEMU calls it
 * @returns {Promise<number>} the command's exit code, 124 after the time-out, 125 if the guest never reported one
 */
export function bootAndRun({ kernel, initramfs, memory, accel, timeoutMs }) {
  const report = join(dirname(initramfs), 'exit-code');
  const qemu = spawn('qemu-system-x86_64', qemuArguments({ kernel, initramfs, memory, accel, report }), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // The console ends lines with a carriage return and a line feed.
  qemu.stdout.setEncoding('utf8').on('data', (text) => process.stdout.write(text.replaceAll('\r', '')));
  const stop = () => qemu.kill('SIGKILL');
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    console.error(`\nvm: not finished after ${Math.round(timeoutMs / 60_000)} min, powering off`);
    stop();
  }, timeoutMs);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop);
  process.once('exit', stop);
  return new Promise((resolve, reject) => {
    qemu.once('error', (error) => reject(new Error(`starting qemu-system-x86_64 failed: ${error.message}`)));
    qemu.once('close', () => resolve(timedOut ? 124 : exitCode(report)));
  }).finally(() => {
    clearTimeout(timer);
    process.off('exit', stop);
  });
}

function exitCode(report) {
  const match = existsSync(report) ? /^exit (\d+)/m.exec(readFileSync(report, 'utf8')) : null;
  if (match) return Number(match[1]);
  console.error('vm: the machine went down before the command ended');
  return 125;
}

function qemuArguments({ kernel, initramfs, memory, accel, report }) {
  const share = 'local,id=hostroot,path=/,security_model=none,readonly=on,multidevs=remap';
  return [
    '-M', 'q35', '-accel', accel === 'tcg' ? 'tcg,thread=multi' : accel, '-cpu', 'max', '-smp', '2', '-m', String(memory),
    '-display', 'none', '-monitor', 'none', '-nic', 'none', '-no-reboot',
    '-serial', 'stdio', '-serial', `file:${report}`,
    '-fsdev', share, '-device', 'virtio-9p-pci,fsdev=hostroot,mount_tag=hostroot',
    '-kernel', kernel.image, '-initrd', initramfs,
    '-append', 'console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init',
  ];
}
