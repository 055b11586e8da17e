import { setTimeout as sleep } from 'node:timers/promises';
import { decodeEvent } from '@cilium-ts/datapath-layout';
import { openPinnedMap, openRingBuffer } from 'libbpf-napi';

/** What the reader has seen, told when its standard input ends. */
export interface EventReaderReport {
  readonly read: number;
  readonly lost: number;
}

/**
 * Reads and decodes events from the pinned ring buffer at `path`, the way the agent does, until standard input ends.
 * Prints a line when it is ready, and its report at the end.
 */
export async function eventReader(path: string): Promise<void> {
  using map = openPinnedMap(path);
  const ring = openRingBuffer(map);
  let read = 0;
  let lost = 0;
  process.stdin.resume().once('end', () => void sleep(200).then(() => ring.close()));
  console.log('ready');
  for await (const batch of ring) {
    lost += batch.lost;
    for (const record of batch) {
      if (decodeEvent(record) !== undefined) read += 1;
    }
  }
  const report: EventReaderReport = { read, lost };
  console.log(JSON.stringify(report));
}
