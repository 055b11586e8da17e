import { EventEmitter, once } from 'node:events';
import type { AgentClient, DropEvent } from '@cilium-ts/agent-api';
import { ATTEMPTS, type Connection } from './connection.ts';

/** Listens to the agent's drop events and finds those of one connection. */
export interface DropWatch extends AsyncDisposable {
  /** The first drop of a packet of this connection, in either direction, seen or coming within `waitMs`. */
  dropOf(connection: Connection, waitMs: number): Promise<DropEvent | undefined>;
}

/** Resolves when the stream is open: from then on no drop is missed. */
export async function watchDrops(client: AgentClient): Promise<DropWatch> {
  const drops: DropEvent[] = [];
  const news = new EventEmitter().setMaxListeners(0);
  const stop = new AbortController();
  const stream = client.monitor({ types: ['drop'] }, { signal: stop.signal })[Symbol.asyncIterator]();
  if ((await stream.next()).done === true) throw new Error('watching drops failed: the agent closed the stream at once');
  const reading = (async () => {
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
      if (next.value.type !== 'drop') continue;
      drops.push(next.value);
      news.emit('drop');
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) news.emit('error', error);
  });
  return {
    dropOf: async (connection, waitMs) => {
      const signal = AbortSignal.timeout(waitMs);
      for (;;) {
        const seen = drops.find((drop) => belongsTo(drop, connection));
        if (seen !== undefined || signal.aborted) return seen;
        await once(news, 'drop', { signal }).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
      }
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await reading;
    },
  };
}

/** Types of ICMP and ICMPv6. */
const ECHO_REPLIES: readonly number[] = [0, 129];

/** TCP and UDP are told apart by the client's ports, which no other connection uses; a ping by both addresses. */
export function belongsTo(drop: DropEvent, { from, to, family, kind, port, localPort }: Connection): boolean {
  if (!drop.protocol.toUpperCase().startsWith(kind)) return false;
  const [one, other] = [drop.source, drop.destination];
  if (kind !== 'ICMP') {
    const isLocal = (candidate: number | undefined): boolean => candidate !== undefined && candidate >= localPort && candidate < localPort + ATTEMPTS;
    return (isLocal(one.port) && other.port === port) || (one.port === port && isLocal(other.port));
  }
  const [source, destination] = [from.addresses[family], to.addresses[family]];
  // The node has more than one address to ping from: all carry its identity.
  const isFrom = (end: DropEvent['source']): boolean => end.ip === source || (from.kind === 'node' && end.identity === 1 && end.ip?.includes(':') === (family === 6));
  // Both ends may be pinging each other.
  const isReply = drop['icmp-type'] !== undefined && ECHO_REPLIES.includes(drop['icmp-type']);
  return isReply ? isFrom(other) && one.ip === destination : isFrom(one) && other.ip === destination;
}
