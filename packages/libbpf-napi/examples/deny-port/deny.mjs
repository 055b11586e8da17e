// Usage: node deny.mjs DEVICE PORT [SECONDS]     after: clang -g -O2 -target bpf -c deny.bpf.c -o deny.bpf.o
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { attachXdp, enableStatistics, openObject } from 'libbpf-napi';

const [device = 'lo', port = '9', seconds = '10'] = process.argv.slice(2);
const objectFile = process.env.DENY_OBJECT ?? new URL('./deny.bpf.o', import.meta.url).pathname;
const ifindex = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'utf8'));

const object = await openObject(objectFile).setConfig('port', Number(port)).load();
const program = object.program('deny');

/** By the device's driver where it can, else by the kernel, which any device bears. */
function attach() {
  try {
    return attachXdp({ ifindex, program, mode: 'native' });
  } catch (error) {
    if (error.code !== 'EOPNOTSUPP') throw error;
    return attachXdp({ ifindex, program, mode: 'generic' });
  }
}

const statistics = enableStatistics(); // has the kernel count the runs of every program
const link = attach();
try {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  await sleep(Number(seconds) * 1000, undefined, { signal: interrupted.signal }).catch(() => undefined);
} finally {
  link.close();
  statistics.close();
}
const dropped = object.map('.bss').mmap().load64(0);
const { runCount, runTimeNs } = program.info;
console.log(`${device}: ${dropped} of ${runCount} packets dropped`);
console.error(`${(runTimeNs / Math.max(runCount, 1)).toFixed()} ns a packet`);
object.close();
