import { addressBits } from '@cilium-ts/core';
import type { IpAddress } from '@cilium-ts/core';

import { PayloadWriter } from '../wire/attributes.ts';
import { Flag } from '../wire/message.ts';
import type { NetlinkRequest } from '../wire/message.ts';
import { familyNumber } from '../wire/values.ts';
import { describeSocket, encodeIdentity, IDENTITY_SIZE, SOCKET_PROTOCOLS, SOCKET_STATES } from './socket.ts';
import type { SocketIdentity, SocketProtocol, SocketState } from './socket.ts';

/** What one end must be like. */
export interface SocketEndFilter {
  /** IPv4 also fits IPv6 sockets that speak it. */
  readonly address?: IpAddress | undefined;
  /** How many bits of `address` count; all if absent. */
  readonly prefixLength?: number | undefined;
  readonly port?: number | undefined;
}

/** Which sockets to list. The kernel chooses: those that do not fit cost no message. */
export interface SocketFilter {
  readonly protocol: SocketProtocol;
  /** Of the socket; both if absent. */
  readonly family?: 4 | 6 | undefined;
  /** All if absent. */
  readonly states?: readonly SocketState[] | undefined;
  readonly source?: SocketEndFilter | undefined;
  readonly destination?: SocketEndFilter | undefined;
}

/** SOCK_DIAG_BY_FAMILY, SOCK_DESTROY of linux/sock_diag.h; the attribute and operations of linux/inet_diag.h. */
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const REQ_BYTECODE = 1;
const Op = { SOURCE: 7, DESTINATION: 8 } as const;
const OP_SIZE = 4;
const CONDITION_SIZE = 8;
const ALL_STATES = 0xffffffff;

const header = (protocol: SocketProtocol, family: 4 | 6, states: number, identity: Buffer): Buffer =>
  Buffer.concat([Buffer.from([familyNumber(family), SOCKET_PROTOCOLS[protocol], 0, 0]), uint32(states), identity]);

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};

const checkPort = (port: number, name: string): number => {
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`${name}: ${port} is no port (0 to 65535)`);
  return port;
};

const checkPrefix = (length: number, address: IpAddress, name: string): number => {
  if (!Number.isInteger(length) || length < 0 || length > addressBits(address.family)) throw new RangeError(`${name}: ${length} is no prefix length of an IPv${address.family} address`);
  return length;
};

const stateBits = (states: readonly SocketState[] | undefined): number => {
  if (states === undefined) return ALL_STATES;
  return states.reduce((bits, state) => {
    if (!(state in SOCKET_STATES)) throw new TypeError(`filter.states: ${JSON.stringify(state)} is no state`);
    return bits | (1 << SOCKET_STATES[state]);
  }, 0);
};

/**
 * One condition of the kernel's filter language: if it holds, go on behind it; if not, leave by a jump that goes four
 * bytes beyond the end, which stands for "does not fit". `after` bytes of other conditions follow.
 */
const condition = (code: number, end: SocketEndFilter, name: string, after: number): Buffer => {
  const { address, port } = end;
  const size = OP_SIZE + CONDITION_SIZE + (address?.bytes.length ?? 0);
  const bytes = Buffer.alloc(size);
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8(size, 1);
  bytes.writeUInt16LE(size + after + 4, 2);
  if (address) {
    bytes.writeUInt8(familyNumber(address.family), OP_SIZE);
    bytes.writeUInt8(checkPrefix(end.prefixLength ?? addressBits(address.family), address, `${name}.prefixLength`), OP_SIZE + 1);
    bytes.set(address.bytes, OP_SIZE + CONDITION_SIZE);
  }
  bytes.writeInt32LE(port === undefined ? -1 : checkPort(port, `${name}.port`), OP_SIZE + 4);
  return bytes;
};

const filterCode = ({ source, destination }: SocketFilter): Buffer => {
  const last = destination ? condition(Op.DESTINATION, destination, 'filter.destination', 0) : Buffer.alloc(0);
  const first = source ? condition(Op.SOURCE, source, 'filter.source', last.length) : Buffer.alloc(0);
  return Buffer.concat([first, last]);
};

const checkProtocol = (protocol: SocketProtocol, name: string): SocketProtocol => {
  if (!(protocol in SOCKET_PROTOCOLS)) throw new TypeError(`${name}: expected 'tcp' | 'udp', got ${JSON.stringify(protocol)}`);
  return protocol;
};

/** Requests on TCP and UDP sockets. */
export const socketRequests = {
  /** Of one family: a dump covers no more. */
  list: (filter: SocketFilter & { readonly family: 4 | 6 }): NetlinkRequest => {
    const writer = new PayloadWriter(header(checkProtocol(filter.protocol, 'filter.protocol'), filter.family, stateBits(filter.states), Buffer.alloc(IDENTITY_SIZE)));
    const code = filterCode(filter);
    if (code.length > 0) writer.bytes(REQ_BYTECODE, code);
    return { operation: `list ${filter.protocol} sockets`, type: SOCK_DIAG_BY_FAMILY, flags: Flag.DUMP, payload: writer.finish() };
  },
  /** Fails with `not-found`, or errno ESTALE, if there is no such socket any more. */
  destroy: (socket: SocketIdentity): NetlinkRequest => ({
    operation: `destroy ${describeSocket(socket)}`,
    type: SOCK_DESTROY,
    flags: 0,
    payload: header(checkProtocol(socket.protocol, 'socket.protocol'), socket.family, ALL_STATES, encodeIdentity(socket)),
  }),
} as const;
