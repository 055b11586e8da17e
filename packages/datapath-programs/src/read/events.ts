import { decodeEvent } from '@cilium-ts/datapath-layout';
import { openRingBuffer, type BpfMap } from 'libbpf-napi';
import type { EventBatch } from '../datapath.ts';

/** How often the ring is looked at: programs submit without waking anybody until a quarter of it is full. */
const POLL_INTERVAL_MS = 20;

/** Decoded events of the ring, batch after batch, until `signal` aborts or the loop ends. A loop that waits keeps the process alive. */
export async function* readEvents(map: BpfMap, { signal }: { readonly signal?: AbortSignal }): AsyncGenerator<EventBatch, void, void> {
  if (signal?.aborted) return;
  const ring = openRingBuffer(map, { pollIntervalMs: POLL_INTERVAL_MS, keepAlive: true });
  const stop = (): void => ring.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for await (const batch of ring) {
      const events = [...batch].flatMap((record) => decodeEvent(record) ?? []);
      if (events.length > 0 || batch.lost > 0) yield { events, lost: batch.lost };
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    ring.close();
  }
}
