import { once, EventEmitter } from 'node:events';
import type { AgentClient, DropEvent } from '@cilium-ts/agent-api';
import type { Connection } from './connection.ts';

/** Listens to the agent's drop events and finds those of one connection. */
export interface DropWatch extends AsyncDisposable {
  /** Resolves with the first drop of a packet of this connection, seen or to come, in either direction. */
  dropOf(connection: Connection, signal: AbortSignal): Promise<DropEvent>;
}

/** Resolves when the stream is open: from then on no drop is missed. */
export async function watchDrops(client: AgentClient): Promise<DropWatch> {
  const drops: DropEvent[] = [];
  const news = new EventEmitter().setMaxListeners(0);
  const stop = new AbortController();
  const stream = client.monitor({ types: ['drop'] }, { signal: stop.signal })[Symbol.asyncIterator]();
  const first = await stream.next();
  if (first.done === true) throw new Error('watching drops failed: the agent closed the stream at once');
  const reading = (async () => {
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
      if (next.value.type !== 'drop') continue;
      drops.push(next.value);
      news.emit('drop', next.value);
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    dropOf: async (connection, signal) => {
      const seen = drops.find((drop) => belongsTo(drop, connection));
      if (seen !== undefined) return seen;
      for (;;) {
        const [drop] = (await once(news, 'drop', { signal })) as [DropEvent];
        if (belongsTo(drop, connection)) return drop;
      }
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await reading;
    },
  };
}

/** TCP and UDP are told apart by the client's port, which no other connection uses; a ping by both addresses. */
function belongsTo(drop: DropEvent, { from, to, family, kind, port, localPort }: Connection): boolean {
  if (!drop.protocol.toUpperCase().startsWith(kind)) return false;
  const { source, destination } = drop;
  if (kind !== 'ICMP') {
    return (source.port === localPort && destination.port === port) || (source.port === port && destination.port === localPort);
  }
  // The node has more than one address to ping from.
  const isFrom = (ip: string | undefined): boolean => ip === from.addresses[family] || (from.kind === 'node' && ip !== undefined && ip.includes(':') === (family === 6));
  const pair = (a: string | undefined, b: string | undefined): boolean => isFrom(a) && b === to.addresses[family];
  return pair(source.ip, destination.ip) || pair(destination.ip, source.ip);
}
