import { ipFromKey16, type IpAddress } from '@cilium-ts/core';
import type { SocketKey, SocketPeer } from './generated/structs.ts';
import { protocolName } from './names.ts';

/** An address and a port of a socket's peer. */
export interface SocketAddress {
  readonly ip: IpAddress;
  readonly port: number;
}

/** A backend that a socket was led to, as the datapath remembers it. */
export interface SocketEntry {
  /** The kernel's number of the socket: SO_COOKIE, and what sock_diag shows. */
  readonly cookie: bigint;
  /** The kernel's number of the socket's network namespace: SO_NETNS_COOKIE. */
  readonly netnsCookie: bigint;
  readonly protocol: { readonly number: number; readonly name: string };
  /** What the socket was told to reach. */
  readonly frontend: SocketAddress;
  /** What it reaches. */
  readonly backend: SocketAddress & { readonly index: number; readonly generation: number };
  /** Was the socket connected, by connect(2)? Else it sends datagrams, to others as well. */
  readonly connected: boolean;
  /** Id of the service; undefined: the socket reaches this address itself, not by way of a service. */
  readonly service: number | undefined;
}

/** Decodes one entry of cilium_sockets. */
export function decodeSocket(key: SocketKey, peer: SocketPeer): SocketEntry {
  return {
    cookie: key.cookie,
    netnsCookie: peer.netns,
    protocol: { number: peer.protocol, name: protocolName(peer.protocol) },
    frontend: { ip: ipFromKey16(peer.address), port: peer.port },
    backend: { ip: ipFromKey16(peer.backend), port: peer.backendPort, index: peer.index, generation: peer.generation },
    connected: peer.connected === 1,
    service: peer.service === 0 ? undefined : peer.service,
  };
}
