import { RawNetlinkSocket } from 'netlink';

import { NetlinkError, errnoError, systemError } from '../error.ts';
import { nativeAddon } from '../native.ts';
import type { Namespace } from '../namespace/namespace.ts';
import { Control, Flag, decodeAcknowledgement, decodeMessages, encodeMessage } from '../wire/message.ts';
import type { Message, NetlinkRequest } from '../wire/message.ts';

/** What a transport does with messages that answer no request. */
export interface TransportListener {
  message(message: Message): void;
  /** Messages were lost: the socket's buffer was full. */
  overrun(): void;
  /** The socket broke; nothing more will come. */
  failed(error: NetlinkError): void;
}

/** A netlink socket that pairs requests with answers. */
export interface Transport {
  /** Sends all at once and resolves when every one is answered, with the messages each brought. */
  execute(requests: readonly NetlinkRequest[]): Promise<readonly (readonly Message[])[]>;
  join(group: number): void;
  /** Whether the socket keeps the process alive while no request is under way. */
  hold(on: boolean): void;
  close(): void;
}

interface Pending {
  readonly request: NetlinkRequest;
  readonly index: number | undefined;
  readonly messages: Message[];
  interrupted: boolean;
  readonly resolve: (messages: readonly Message[]) => void;
  readonly reject: (error: NetlinkError) => void;
}

/** NETLINK_ROUTE and NETLINK_SOCK_DIAG of linux/netlink.h. */
const PROTOCOLS = { route: 0, 'socket diagnostics': 4 } as const;
export type Protocol = keyof typeof PROTOCOLS;
/** Room for a burst of some thousand events. */
const RECEIVE_BUFFER = 4 << 20;
/** Most requests sent at once: their answers fit even into the buffer of a process that may not ask for a larger one. */
const SEND_LIMIT = 128;
/** A table that changes in each of so many dumps will go on doing so. */
const DUMP_ATTEMPTS = 32;

const isDump = (request: NetlinkRequest): boolean => (request.flags & Flag.DUMP) === Flag.DUMP;

/** Opens a socket of a protocol in `netns`, or in the calling thread's namespace. Throws NetlinkError. */
export const openTransport = (netns: Namespace | undefined, listener?: TransportListener, protocol: Protocol = 'route'): Transport => {
  const operation = `open ${protocol} socket${netns ? ` in ${netns.path}` : ''}`;
  try {
    // The option's type asks for all its fields, though every one is optional (netlink 0.3.0).
    const open = (): RawNetlinkSocket => new RawNetlinkSocket(PROTOCOLS[protocol]);
    const socket = netns ? netns.run(open) : open();
    socket.unref();
    return new SocketTransport(socket, tune(socket, PROTOCOLS[protocol]), listener);
  } catch (error) {
    throw systemError(error, { operation });
  }
};

const tune = (socket: RawNetlinkSocket, protocol: number): number => {
  try {
    return nativeAddon().tuneNetlink(protocol, socket.address().port, RECEIVE_BUFFER);
  } catch (error) {
    socket.close();
    throw error;
  }
};

class SocketTransport implements Transport {
  readonly #socket: RawNetlinkSocket;
  /** The socket's own, to ask for losses with; not ours to close. */
  readonly #fd: number;
  #drops = 0;
  readonly #listener: TransportListener | undefined;
  readonly #pending = new Map<number, Pending>();
  #sequence = 0;
  #held = false;
  #closed = false;
  /** The kernel takes one dump at a time on a socket (EBUSY), so dumps queue here. */
  #dumps: Promise<unknown> = Promise.resolve();

  constructor(socket: RawNetlinkSocket, fd: number, listener: TransportListener | undefined) {
    this.#socket = socket;
    this.#fd = fd;
    this.#listener = listener;
    socket.on('message', (datagram, from) => {
      // Port 0 is the kernel; any process may write to this socket.
      if (from.port === 0) this.#receive(datagram);
    });
    socket.on('truncatedMessage', () => this.#overrun());
    socket.on('error', (error) => this.#broken(error));
  }

  async execute(requests: readonly NetlinkRequest[]): Promise<readonly (readonly Message[])[]> {
    const outcomes: PromiseSettledResult<readonly Message[]>[] = [];
    for (let start = 0; start < requests.length; start += SEND_LIMIT) {
      // All are awaited before a failure is thrown: nothing is under way any more when the caller sees it.
      outcomes.push(...(await Promise.allSettled(this.#start(requests.slice(start, start + SEND_LIMIT), requests.length > 1 ? start : undefined))));
    }
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  join(group: number): void {
    try {
      this.#socket.addMembership(group);
    } catch (error) {
      throw systemError(error, { operation: `join netlink group ${group}` });
    }
  }

  hold(on: boolean): void {
    this.#held = on;
    this.#reference();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
    this.#failAll((pending) => new NetlinkError('closed', 'the netlink handle was closed', { operation: pending.request.operation }));
  }

  /** Sends requests in one datagram, dumps each for itself. */
  #start(requests: readonly NetlinkRequest[], firstIndex: number | undefined): Promise<readonly Message[]>[] {
    const frames: Buffer[] = [];
    const answers = requests.map((request, position) => {
      const index = firstIndex === undefined ? undefined : firstIndex + position;
      if (isDump(request)) return this.#dump(request, index);
      const { frame, answer } = this.#register(request, Flag.ACK, index);
      frames.push(frame);
      return answer;
    });
    if (frames.length > 0) this.#send(frames);
    return answers;
  }

  #dump(request: NetlinkRequest, index: number | undefined): Promise<readonly Message[]> {
    const run = async (): Promise<readonly Message[]> => {
      for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
        const { frame, answer, pending } = this.#register(request, 0, index);
        this.#send([frame]);
        const messages = await answer;
        if (!pending.interrupted) return messages;
      }
      throw new NetlinkError('interrupted', `the table changed during each of ${DUMP_ATTEMPTS} attempts`, { operation: request.operation, requestIndex: index });
    };
    const result = this.#dumps.then(run, run);
    this.#dumps = result.catch(() => undefined);
    return result;
  }

  #register(request: NetlinkRequest, flags: number, index: number | undefined): { frame: Buffer; answer: Promise<readonly Message[]>; pending: Pending } {
    if (this.#closed) throw new NetlinkError('closed', 'the netlink handle is closed', { operation: request.operation });
    this.#sequence = (this.#sequence % 0xffffffff) + 1;
    const sequence = this.#sequence;
    let pending!: Pending;
    const answer = new Promise<readonly Message[]>((resolve, reject) => {
      pending = { request, index, messages: [], interrupted: false, resolve, reject };
    });
    this.#pending.set(sequence, pending);
    this.#reference();
    return { frame: encodeMessage(request, flags, sequence), answer, pending };
  }

  #send(frames: Buffer[]): void {
    const datagram = frames.length === 1 ? frames[0]! : Buffer.concat(frames);
    // The kernel works on requests within sendmsg, in order; the answers wait when it returns.
    this.#socket.send(datagram, {}, (error) => {
      if (error) this.#broken(error);
    });
  }

  #reference(): void {
    if (this.#closed) return;
    if (this.#held || this.#pending.size > 0) this.#socket.ref();
    else this.#socket.unref();
  }

  #receive(datagram: Buffer): void {
    for (const message of decodeMessages(datagram)) {
      if (this.#closed) return;
      const pending = message.sequence === 0 ? undefined : this.#pending.get(message.sequence);
      if (pending) this.#answer(pending, message);
      else if (message.type > Control.OVERRUN) this.#listener?.message(message);
    }
    // Losses are counted, not signalled (NETLINK_NO_ENOBUFS): netlink 0.3.0 aborts the process on a socket error. The
    // buffer is full whenever there is one, so a datagram to read, and this check, always follow.
    const drops = nativeAddon().netlinkDrops(this.#fd);
    if (drops !== this.#drops) this.#overrun();
    this.#drops = drops;
  }

  #answer(pending: Pending, message: Message): void {
    if ((message.flags & Flag.DUMP_INTR) !== 0) pending.interrupted = true;
    if (message.type === Control.ERROR || message.type === Control.DONE) this.#finish(pending, message);
    else if (message.type > Control.OVERRUN) pending.messages.push(message);
  }

  #finish(pending: Pending, message: Message): void {
    this.#pending.delete(message.sequence);
    this.#reference();
    const { errno, extendedAck, attributeOffset, missingAttribute } = decodeAcknowledgement(message);
    if (errno === 0) pending.resolve(pending.messages);
    else pending.reject(errnoError(errno, { operation: pending.request.operation, extendedAck, attributeOffset, missingAttribute, requestIndex: pending.index }));
  }

  #overrun(): void {
    this.#failAll((pending) => new NetlinkError('overrun', 'answers were lost: the socket buffer was full', { operation: pending.request.operation, requestIndex: pending.index }));
    this.#listener?.overrun();
  }

  #broken(error: NodeJS.ErrnoException): void {
    this.#failAll((pending) => systemError(error, { operation: pending.request.operation }));
    this.#listener?.failed(systemError(error, { operation: 'receive from netlink socket' }));
  }

  #failAll(errorFor: (pending: Pending) => NetlinkError): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#reference();
    for (const pending of all) pending.reject(errorFor(pending));
  }
}
