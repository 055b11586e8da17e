import { ipFromBytes, ipFromKey16 } from '@cilium-ts/core';
import type { IpAddress } from '@cilium-ts/core';

import { readAttributes } from '../wire/attributes.ts';
import type { Message } from '../wire/message.ts';
import { familyOf, indexOrNone, names } from '../wire/values.ts';
import type { IfIndex } from '../wire/values.ts';

/** Protocols whose sockets can be listed, with their numbers. */
export const SOCKET_PROTOCOLS = { tcp: 6, udp: 17 } as const;
export type SocketProtocol = keyof typeof SOCKET_PROTOCOLS;

/** TCP_* of linux/tcp_states.h. A UDP socket is `established` when it is connected and `close` when it is not. */
export const SOCKET_STATES = {
  established: 1, 'syn-sent': 2, 'syn-received': 3, 'fin-wait-1': 4, 'fin-wait-2': 5, 'time-wait': 6,
  close: 7, 'close-wait': 8, 'last-ack': 9, listen: 10, closing: 11, 'new-syn-received': 12,
} as const;
export type SocketState = keyof typeof SOCKET_STATES;

/** One end of a socket. The unspecified address and port 0 where it has none. */
export interface SocketEnd {
  /** An IPv6 socket that speaks IPv4 has IPv4 addresses here. */
  readonly address: IpAddress;
  readonly port: number;
}

/** What tells a socket of a network namespace from others. */
export interface SocketIdentity {
  readonly protocol: SocketProtocol;
  /** Of the socket: one of 6 may speak IPv4 as well. */
  readonly family: 4 | 6;
  readonly source: SocketEnd;
  readonly destination: SocketEnd;
  /** The device that it is bound to. */
  readonly link: IfIndex | undefined;
  /** The number that bpf_get_socket_cookie() gives; never used twice. */
  readonly cookie: bigint;
}

/** A TCP or UDP socket. */
export interface InetSocket extends SocketIdentity {
  readonly state: SocketState | number;
  /** Bytes received and not read; of a listener, connections not accepted. */
  readonly receiveQueue: number;
  /** Bytes written and not acknowledged; of a listener, most connections not accepted. */
  readonly sendQueue: number;
  readonly uid: number;
  /** As in /proc/PID/fd; 0 for one that no process has any more. */
  readonly inode: number;
  /** Inode number of the cgroup's folder in which it was created (Linux 5.9). */
  readonly cgroupId: bigint | undefined;
}

const states = names(SOCKET_STATES);

/** struct inet_diag_sockid, inet_diag_msg of linux/inet_diag.h. */
export const IDENTITY_SIZE = 48;
const MESSAGE_SIZE = 72;
const IDENTITY = 4;
/** INET_DIAG_CGROUP_ID */
const CGROUP_ID = 21;

const readEnd = (family: 4 | 6, bytes: Buffer, port: number): SocketEnd => ({
  address: family === 4 ? ipFromBytes(Uint8Array.from(bytes.subarray(0, 4))) : ipFromKey16(Uint8Array.from(bytes)),
  port,
});

/** Reads an answer to a request for sockets; undefined for other families. */
export const decodeSocket = (message: Message, protocol: SocketProtocol): InetSocket | undefined => {
  const { payload } = message;
  const family = payload.length < MESSAGE_SIZE ? undefined : familyOf(payload.readUInt8(0));
  if (family === undefined) return undefined;
  const identity = payload.subarray(IDENTITY, IDENTITY + IDENTITY_SIZE);
  const cgroup = readAttributes(payload.subarray(MESSAGE_SIZE)).get(CGROUP_ID);
  return {
    protocol,
    family,
    state: states.name(payload.readUInt8(1)),
    source: readEnd(family, identity.subarray(4, 20), identity.readUInt16BE(0)),
    destination: readEnd(family, identity.subarray(20, 36), identity.readUInt16BE(2)),
    link: indexOrNone(identity.readUInt32LE(36)),
    cookie: identity.readBigUInt64LE(40),
    receiveQueue: payload.readUInt32LE(56),
    sendQueue: payload.readUInt32LE(60),
    uid: payload.readUInt32LE(64),
    inode: payload.readUInt32LE(68),
    cgroupId: cgroup?.length === 8 ? cgroup.readBigUInt64LE(0) : undefined,
  };
};

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

const writeEnd = (family: 4 | 6, address: IpAddress, into: Buffer): void => {
  if (family === 6 && address.family === 4) Buffer.concat([MAPPED, address.bytes]).copy(into);
  else into.set(address.bytes);
};

/** struct inet_diag_sockid of a socket, for a request that names it. */
export const encodeIdentity = (socket: SocketIdentity): Buffer => {
  const { family, source, destination, link, cookie } = socket;
  if (family === 4 && (source.address.family !== 4 || destination.address.family !== 4)) throw new TypeError('socket: one of family 4 has addresses of family 4');
  const bytes = Buffer.alloc(IDENTITY_SIZE);
  bytes.writeUInt16BE(source.port, 0);
  bytes.writeUInt16BE(destination.port, 2);
  writeEnd(family, source.address, bytes.subarray(4, 20));
  writeEnd(family, destination.address, bytes.subarray(20, 36));
  bytes.writeUInt32LE(link ?? 0, 36);
  bytes.writeBigUInt64LE(cookie, 40);
  return bytes;
};

/** How a socket is named in messages. */
export const describeSocket = ({ protocol, family, source, destination }: SocketIdentity): string =>
  `${protocol}${family} socket ${source.address.text} port ${source.port} to ${destination.address.text} port ${destination.port}`;

