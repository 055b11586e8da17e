import type { MonitorEvent } from '@cilium-ts/agent-api';

/** Takes in events and hands them to everybody who listens. Who is slow loses events, and is told how many; nobody holds up the others. */
export interface MonitorHub {
  publish(event: MonitorEvent): void;
  /** Counts events that nobody was there for. */
  skip(count: number): void;
  /** Notes events that the kernel could not hand over. */
  lost(count: number): void;
  /** Everything from now on, beginning with a `start` event. Ends with the signal. */
  subscribe(options: { readonly accept: (event: MonitorEvent) => boolean; readonly signal: AbortSignal }): AsyncIterable<MonitorEvent>;
  /** Ends all subscriptions. */
  close(): void;
  readonly listeners: number;
  /** Events that the kernel could not hand over, ever. */
  readonly lostTotal: number;
  readonly published: number;
  /** Is anybody listening? Then decoding is worth while. */
  readonly wanted: boolean;
}

interface Listener {
  readonly queue: MonitorEvent[];
  readonly accept: (event: MonitorEvent) => boolean;
  dropped: number;
  wake: (() => void) | undefined;
  ended: boolean;
}

/** What is queued, and then what comes, until the listener's end. */
async function* drain(listener: Listener): AsyncGenerator<MonitorEvent> {
  while (!listener.ended) {
    for (let event = listener.queue.shift(); event !== undefined; event = listener.queue.shift()) yield event;
    if (listener.dropped > 0) {
      const count = listener.dropped;
      listener.dropped = 0;
      yield { type: 'lost', timestamp: new Date().toISOString(), where: 'reader', count };
    }
    if (listener.queue.length === 0 && !listener.ended) await new Promise<void>((resolve) => { listener.wake = resolve; });
    listener.wake = undefined;
  }
}

/** Queues the event, or counts it as lost where the reader is too slow. */
const offer = (listener: Listener, event: MonitorEvent, limit: number): void => {
  if (event.type !== 'lost' && !listener.accept(event)) return;
  if (listener.queue.length >= limit) {
    listener.dropped++;
    return;
  }
  listener.queue.push(event);
  listener.wake?.();
};

/** A hub that keeps `limit` events for each listener. */
export const createMonitorHub = ({ limit }: { readonly limit: number }): MonitorHub => {
  const listeners = new Set<Listener>();
  const since = new Date().toISOString();
  let lostTotal = 0;
  let published = 0;

  const end = (listener: Listener): void => {
    listeners.delete(listener);
    listener.ended = true;
    listener.wake?.();
  };

  return {
    publish(event) {
      published++;
      for (const listener of listeners) offer(listener, event, limit);
    },
    skip(count) {
      published += count;
    },
    lost(count) {
      lostTotal += count;
      for (const listener of listeners) offer(listener, { type: 'lost', timestamp: new Date().toISOString(), where: 'kernel', count }, limit);
    },
    async *subscribe({ accept, signal }) {
      const listener: Listener = { queue: [], accept, dropped: 0, wake: undefined, ended: signal.aborted };
      listeners.add(listener);
      const stop = (): void => { end(listener); };
      signal.addEventListener('abort', stop);
      try {
        yield { type: 'start', timestamp: new Date().toISOString(), since, missed: published };
        yield* drain(listener);
      } finally {
        signal.removeEventListener('abort', stop);
        end(listener);
      }
    },
    close() {
      for (const listener of listeners) end(listener);
    },
    get listeners() {
      return listeners.size;
    },
    get lostTotal() {
      return lostTotal;
    },
    get published() {
      return published;
    },
    get wanted() {
      return listeners.size > 0;
    },
  };
};
