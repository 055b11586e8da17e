import type { Attempt } from '@cilium-ts/testbed';
import { ATTEMPTS, type Connection, type Observation } from './connection.ts';
import type { DropWatch } from './drop-watch.ts';

/** Milliseconds to wait for an answer, attempt by attempt: most are known after the first, even on a slow machine. */
const PATIENCE: readonly number[] = [400, 3000, 20_000];
/** The agent reads events every few ten milliseconds. */
const REPORT_MS = 500;

/**
 * Tries one connection for real. That it did not come about is believed only with the kernel's report of the drop at
 * hand, else it is tried again with more patience: a slow machine makes the demo slow, not wrong.
 */
export async function tryConnection(connection: Connection, drops: DropWatch): Promise<Observation> {
  let outcome = 'timeout';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    ({ outcome } = await once(connection, connection.localPort + attempt, PATIENCE[attempt] ?? REPORT_MS));
    if (outcome === 'ok') return { kind: 'open' };
    const drop = await drops.dropOf(connection, REPORT_MS);
    if (drop !== undefined) return { kind: 'dropped', drop };
  }
  return { kind: 'failed', outcome };
}

function once({ from, to, family, kind, port }: Connection, localPort: number, timeoutMs: number): Promise<Attempt> {
  const [source, destination] = [from.addresses[family], to.addresses[family]];
  // The world has other addresses as well.
  const isWorld = from.kind === 'world';
  if (kind === 'ICMP') return from.probe.ping({ address: destination, timeoutMs, ...(isWorld ? { source } : {}) });
  const target = { address: destination, port, localPort, timeoutMs, ...(isWorld ? { localAddress: source } : {}) };
  return kind === 'TCP' ? from.probe.connect(target) : from.probe.udp(target);
}

/** Tries all, at most `parallel` from each party at a time; `onDone` hears of each. */
export async function tryAll(connections: readonly Connection[], drops: DropWatch, parallel: number, onDone: () => void): Promise<Map<Connection, Observation>> {
  const results = new Map<Connection, Observation>();
  const queues = new Map<string, Connection[]>();
  for (const connection of connections) {
    const queue = queues.get(connection.from.name);
    if (queue === undefined) queues.set(connection.from.name, [connection]);
    else queue.push(connection);
  }
  const lane = async (queue: Connection[]): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      results.set(next, await tryConnection(next, drops));
      onDone();
    }
  };
  await Promise.all([...queues.values()].flatMap((queue) => Array.from({ length: parallel }, () => lane(queue))));
  return results;
}
