// Usage: node count.mjs DEVICE [SECONDS]     after: clang -g -O2 -target bpf -c count.bpf.c -o count.bpf.o
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { attachTc, createClsact, destroyClsact, detachTc, openObject, splitPerCpu } from 'libbpf-napi';

const [device = 'lo', seconds = '10'] = process.argv.slice(2);
const objectFile = process.env.COUNT_OBJECT ?? new URL('./count.bpf.o', import.meta.url).pathname;
const ifindex = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'utf8'));

const object = await openObject(objectFile).setConfig('smallest', 14).load();
const created = createClsact(ifindex);
const slot = { ifindex, direction: 'ingress', priority: 1000, handle: 1 };
attachTc({ ...slot, program: object.program('count') });
try {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  await sleep(Number(seconds) * 1000, undefined, { signal: interrupted.signal }).catch(() => undefined);
  const counters = object.map('counters');
  for (const [key, value] of counters) {
    const protocol = new DataView(key.buffer).getUint16(0).toString(16).padStart(4, '0');
    let [packets, bytes] = [0n, 0n];
    for (const slot of splitPerCpu(value, counters.info.valueSize)) {
      const view = new DataView(slot.buffer, slot.byteOffset);
      packets += view.getBigUint64(0, true);
      bytes += view.getBigUint64(8, true);
    }
    console.log(`${device} 0x${protocol}: ${packets} packets, ${bytes} bytes`);
  }
} finally {
  if (created) destroyClsact(ifindex);
  else detachTc(slot);
  object.close();
}
