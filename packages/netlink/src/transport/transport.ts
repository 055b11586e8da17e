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

/** A route socket that pairs requests with answers. */
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

/** NETLINK_ROUTE of linux/netlink.h. */
const ROUTE = 0;
/** Room for the answers of some thousand batched requests, or for a burst of events. */
const RECEIVE_BUFFER = 4 << 20;
/** Most bytes sent at once: far below what a socket's send buffer takes (212,992 by default). */
const SEND_LIMIT = 64 << 10;
/** A table that changes in each of so many dumps will go on doing so. */
const DUMP_ATTEMPTS = 16;

const isDump = (request: NetlinkRequest): boolean => (request.flags & Flag.DUMP) === Flag.DUMP;

/** Opens a route socket in `netns`, or in the calling thread's namespace. Throws NetlinkError. */
export const openTransport = (netns: Namespace | undefined, listener?: TransportListener): Transport => {
  const operation = `open route socket${netns ? ` in ${netns.path}` : ''}`;
  try {
    // The option's type asks for all its fields, though every one is optional (netlink 0.3.0).
    const open = (): RawNetlinkSocket => new RawNetlinkSocket(ROUTE);
    const socket = netns ? netns.run(open) : open();
    socket.unref();
    if (nativeAddon().tuneNetlink(socket.address().port, RECEIVE_BUFFER) > 0) return new RouteTransport(socket, listener);
    socket.close();
  } catch (error) {
    throw systemError(error, { operation });
  }
  throw new NetlinkError('kernel', 'the socket was not found among the open descriptors', { operation });
};

class RouteTransport implements Transport {
  readonly #socket: RawNetlinkSocket;
  readonly #listener: TransportListener | undefined;
  readonly #pending = new Map<number, Pending>();
  #sequence = 0;
  #held = false;
  #closed = false;
  /** The kernel takes one dump at a time on a socket (EBUSY), so dumps queue here. */
  #dumps: Promise<unknown> = Promise.resolve();

  constructor(socket: RawNetlinkSocket, listener: TransportListener | undefined) {
    this.#socket = socket;
    this.#listener = listener;
    socket.on('message', (datagram, from) => {
      // Port 0 is the kernel; any process may write to this socket.
      if (from.port === 0) this.#receive(datagram);
    });
    socket.on('truncatedMessage', () => this.#overrun());
    socket.on('error', (error) => this.#broken(error));
  }

  async execute(requests: readonly NetlinkRequest[]): Promise<readonly (readonly Message[])[]> {
    const alone = requests.length === 1;
    const answers: Promise<readonly Message[]>[] = [];
    let frames: Buffer[] = [];
    let size = 0;
    const flush = (): void => {
      if (frames.length > 0) this.#send(frames);
      frames = [];
      size = 0;
    };
    requests.forEach((request, position) => {
      const index = alone ? undefined : position;
      if (isDump(request)) {
        answers.push(this.#dump(request, index));
        return;
      }
      const { frame, answer } = this.#register(request, Flag.ACK, index);
      if (size + frame.length > SEND_LIMIT) flush();
      frames.push(frame);
      size += frame.length;
      answers.push(answer);
    });
    flush();
    // All are awaited before the first failure is thrown: nothing is under way any more when the caller sees it.
    const outcomes = await Promise.allSettled(answers);
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
    // The kernel works on route requests within sendmsg, in order; the answers wait when it returns.
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
    if (error.code === 'ENOBUFS') {
      this.#overrun();
      return;
    }
    this.#failAll((pending) => systemError(error, { operation: pending.request.operation }));
    this.#listener?.failed(systemError(error, { operation: 'receive from route socket' }));
  }

  #failAll(errorFor: (pending: Pending) => NetlinkError): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#reference();
    for (const pending of all) pending.reject(errorFor(pending));
  }
}
