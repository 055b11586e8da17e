import { encodeBytes, viewOf, type RawMap } from '@cilium-ts/bpf-maps';
import { ipFromKey16, type IpAddress } from '@cilium-ts/core';
import { socketKey, socketKeyOffsets, socketPeer, socketPeerOffsets } from '@cilium-ts/datapath-layout';
import type { SocketProtocol } from '@cilium-ts/netlink';

/** A socket that is connected to a backend by way of a service. */
export interface ConnectedSocket {
  readonly cookie: bigint;
  readonly netnsCookie: bigint;
  readonly protocol: SocketProtocol;
  readonly address: IpAddress;
  readonly port: number;
}

const PROTOCOLS: Readonly<Record<number, SocketProtocol>> = { 6: 'tcp', 17: 'udp' };
const NOWHERE = new Uint8Array(16);

/** Sockets of cilium_sockets that are connected to a backend that has gone. Reads little of each entry: there may be many. */
export function socketsOfGoneBackends(sockets: Pick<RawMap, 'entries'>, isGone: (index: number, generation: number) => boolean): ConnectedSocket[] {
  const found: ConnectedSocket[] = [];
  for (const [key, value] of sockets.entries()) {
    const view = viewOf(value);
    if (view.getUint8(socketPeerOffsets.connected) !== 1) continue;
    if (view.getUint32(socketPeerOffsets.service, true) === 0) continue;
    if (!isGone(view.getUint32(socketPeerOffsets.index, true), view.getUint32(socketPeerOffsets.generation, true))) continue;
    const protocol = PROTOCOLS[view.getUint8(socketPeerOffsets.protocol)];
    if (protocol === undefined) continue;
    found.push({
      cookie: viewOf(key).getBigUint64(socketKeyOffsets.cookie, true),
      netnsCookie: view.getBigUint64(socketPeerOffsets.netns, true),
      protocol,
      address: ipFromKey16(value.slice(socketPeerOffsets.backend, socketPeerOffsets.backend + 16)),
      port: view.getUint16(socketPeerOffsets.backendPort),
    });
  }
  return found;
}

const keyOf = ({ cookie }: ConnectedSocket): Uint8Array => encodeBytes(socketKey, { cookie, backend: NOWHERE, port: 0, reserved0: 0, reserved1: 0 });

/** Whether the socket lives and still is connected where it was: its entry ends with it. */
export function isStillConnected(sockets: Pick<RawMap, 'lookup'>, socket: ConnectedSocket): boolean {
  const value = sockets.lookup(keyOf(socket));
  if (value === undefined || value.length < socketPeer.size) return false;
  const view = viewOf(value);
  const address = ipFromKey16(value.slice(socketPeerOffsets.backend, socketPeerOffsets.backend + 16));
  return view.getUint8(socketPeerOffsets.connected) === 1 && address.text === socket.address.text && view.getUint16(socketPeerOffsets.backendPort) === socket.port;
}

/** Forgets a socket that is connected no more, though the application may keep it open. */
export function forgetSocket(sockets: Pick<RawMap, 'lookup' | 'delete'>, socket: ConnectedSocket): void {
  if (isStillConnected(sockets, socket)) sockets.delete(keyOf(socket));
}
