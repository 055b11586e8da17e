import type { NetlinkError } from './error.ts';
import { decodeAddress } from './family/address.ts';
import type { Address } from './family/address.ts';
import { decodeLink } from './family/link.ts';
import type { Link } from './family/link.ts';
import { decodeNeighbour } from './family/neighbour.ts';
import type { Neighbour } from './family/neighbour.ts';
import { decodeRoute } from './family/route.ts';
import type { Route } from './family/route.ts';
import { decodeFilterEvent, decodeQdisc } from './family/traffic-control.ts';
import type { Filter, Qdisc } from './family/traffic-control.ts';
import type { Namespace } from './namespace/namespace.ts';
import { openTransport } from './transport/transport.ts';
import type { Message } from './wire/message.ts';

/**
 * A change of one kind of record. `new`: there now, or changed; `delete`: gone; `overrun`: events were lost, so list
 * again.
 */
export type WatchEvent<T> = { readonly kind: 'new'; readonly record: T } | { readonly kind: 'delete'; readonly record: T } | { readonly kind: 'overrun' };

/** Changes from the moment of the call on. Ends when closed, when its signal aborts or when the loop over it ends. */
export interface Watch<T> extends AsyncIterableIterator<WatchEvent<T>>, Disposable {
  close(): void;
}

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Most events kept for a slow reader, before all of them give way to one `overrun`; 10,000 if absent. */
  readonly limit?: number | undefined;
}

/** What a watch listens to: multicast groups, and the message types of its records. */
interface Subject<T> {
  readonly groups: readonly number[];
  readonly created: number;
  readonly deleted: number;
  readonly decode: (message: Message) => T | undefined;
}

/** RTNLGRP_* and RTM_* of linux/rtnetlink.h. */
export const watchSubjects = {
  links: { groups: [1], created: 16, deleted: 17, decode: decodeLink } satisfies Subject<Link>,
  addresses: { groups: [5, 9], created: 20, deleted: 21, decode: decodeAddress } satisfies Subject<Address>,
  routes: { groups: [7, 11], created: 24, deleted: 25, decode: decodeRoute } satisfies Subject<Route>,
  neighbours: { groups: [3], created: 28, deleted: 29, decode: decodeNeighbour } satisfies Subject<Neighbour>,
  qdiscs: { groups: [4], created: 36, deleted: 37, decode: decodeQdisc } satisfies Subject<Qdisc>,
  filters: { groups: [4], created: 44, deleted: 45, decode: decodeFilterEvent } satisfies Subject<Filter>,
} as const;

const DEFAULT_LIMIT = 10_000;

/** Subscribes at once: what happens between the call and the first `next()` is not lost. */
export const watch = <T>(subject: Subject<T>, netns: Namespace | undefined, options: WatchOptions, closed: (watch: Watch<T>) => void): Watch<T> => {
  const { signal, limit = DEFAULT_LIMIT } = options;
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit: ${limit} is not a positive integer`);
  const queue = new EventQueue<WatchEvent<T>>((waiting) => transport.hold(waiting));
  const overrun = (): void => {
    queue.clear();
    queue.push({ kind: 'overrun' });
  };
  const message = (received: Message): void => {
    if (received.type !== subject.created && received.type !== subject.deleted) return;
    const record = subject.decode(received);
    if (record === undefined) return;
    if (queue.size >= limit) overrun();
    else queue.push({ kind: received.type === subject.created ? 'new' : 'delete', record });
  };
  const transport = openTransport(netns, { message, overrun, failed: (error) => queue.end(error) });
  const close = (): void => {
    signal?.removeEventListener('abort', close);
    queue.end();
    transport.close();
    closed(result);
  };
  const result: Watch<T> = {
    next: () => queue.next(),
    return: () => {
      close();
      return Promise.resolve({ done: true, value: undefined });
    },
    close,
    [Symbol.asyncIterator]: () => result,
    [Symbol.dispose]: close,
  };
  subject.groups.forEach((group) => transport.join(group));
  signal?.addEventListener('abort', close);
  if (signal?.aborted) close();
  return result;
};

/** Events wait for a reader, or readers for events. */
class EventQueue<E> {
  readonly #waitingChanged: (waiting: boolean) => void;
  #events: E[] = [];
  #readers: { resolve: (result: IteratorResult<E>) => void; reject: (error: NetlinkError) => void }[] = [];
  #ended = false;
  #failure: NetlinkError | undefined;

  constructor(waitingChanged: (waiting: boolean) => void) {
    this.#waitingChanged = waitingChanged;
  }

  get size(): number {
    return this.#events.length;
  }

  push(event: E): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (!reader) {
      this.#events.push(event);
      return;
    }
    if (this.#readers.length === 0) this.#waitingChanged(false);
    reader.resolve({ done: false, value: event });
  }

  clear(): void {
    this.#events = [];
  }

  next(): Promise<IteratorResult<E>> {
    if (this.#events.length > 0) return Promise.resolve({ done: false, value: this.#events.shift()! });
    if (this.#failure) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    this.#waitingChanged(true);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  end(failure?: NetlinkError): void {
    if (this.#ended) return;
    this.#ended = true;
    const readers = this.#readers;
    this.#readers = [];
    // Closed by its user, nothing more comes; broken, what waits is still handed out, then the failure.
    if (!failure) this.#events = [];
    if (readers.length > 0) this.#waitingChanged(false);
    else this.#failure = failure;
    readers.forEach((reader, position) => (failure && position === 0 ? reader.reject(failure) : reader.resolve({ done: true, value: undefined })));
  }
}
