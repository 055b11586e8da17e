import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Observation } from './connection.ts';
import type { DropWatch } from './drop-watch.ts';

/** A dropped connection gets this long to come about all the same, by a packet sent again for instance. */
const SETTLE_MS = 400;
/** Far beyond what the slowest machine needs: only a packet that vanished without a report takes as long. */
const LIMIT_MS = 30_000;

/**
 * Tries one connection for real. That it did not come about is believed only with the kernel's report of the drop at
 * hand and after waiting; so a slow machine makes the demo slow, not wrong.
 */
export async function tryConnection(connection: Connection, drops: DropWatch): Promise<Observation> {
  const { id, from, to, family, kind, port, localPort } = connection;
  const over = new AbortController();
  const answer = from.worker.probe({ id, kind, address: to.addresses[family], port, localPort });
  const began = Date.now();
  const dropped = drops.dropOf(connection, over.signal).then(
    async (drop): Promise<Observation> => {
      await sleep(Math.max(0, began + SETTLE_MS - Date.now()), undefined, { signal: over.signal });
      return { kind: 'dropped', drop };
    });
  const silence = sleep(LIMIT_MS, undefined, { signal: over.signal }).then((): Observation => ({ kind: 'silent' }));
  const unanswered = await Promise.race([answer.then(() => undefined), dropped, silence].map((each) => each.catch(() => undefined)));
  over.abort();
  from.worker.cancel(id);
  const { outcome, error } = await answer;
  if (outcome === 'answered') return { kind: 'open' };
  if (unanswered !== undefined) return unanswered;
  return { kind: 'failed', error: error ?? outcome };
}

/** Tries all, at most `parallel` from each party at a time. Calls `onDone` after each. */
export async function tryAll(connections: readonly Connection[], drops: DropWatch, parallel: number, onDone: () => void): Promise<Map<number, Observation>> {
  const results = new Map<number, Observation>();
  const queues = new Map<string, Connection[]>();
  for (const connection of connections) queues.set(connection.from.name, [...(queues.get(connection.from.name) ?? []), connection]);
  const lane = async (queue: Connection[]): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      results.set(next.id, await tryConnection(next, drops));
      onDone();
    }
  };
  await Promise.all([...queues.values()].flatMap((queue) => Array.from({ length: parallel }, () => lane(queue))));
  return results;
}
