import { decodeBytes, encodeBytes, viewOf } from '@cilium-ts/bpf-maps';
import { ipFromKey16, type IpAddress } from '@cilium-ts/core';
import { socketKey, socketKeyOffsets, socketPeer, socketPeerOffsets } from '@cilium-ts/datapath-layout';
import type { SocketProtocol } from '@cilium-ts/netlink';
import type { BpfMap } from 'libbpf-napi';

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

/** What is needed of cilium_sockets. */
export type SocketsMap = Pick<BpfMap, 'lookupBatch' | 'lookup' | 'delete'>;
/** Entries read by one system call. */
const BATCH = 4096;

/**
 * Sockets of cilium_sockets that are connected to a backend that has gone. There may be many entries: they are read in
 * batches, between which the event loop goes on.
 */
export async function socketsOfGoneBackends(sockets: SocketsMap, isGone: (index: number, generation: number) => boolean): Promise<ConnectedSocket[]> {
  const found: ConnectedSocket[] = [];
  let after: Uint8Array | undefined;
  do {
    const { keys, values, count, next } = sockets.lookupBatch(BATCH, after);
    const [keyView, valueView] = [viewOf(keys), viewOf(values)];
    for (let i = 0; i < count; i++) {
      const at = i * socketPeer.size;
      if (valueView.getUint8(at + socketPeerOffsets.connected) !== 1 || valueView.getUint32(at + socketPeerOffsets.service, true) === 0) continue;
      if (!isGone(valueView.getUint32(at + socketPeerOffsets.index, true), valueView.getUint32(at + socketPeerOffsets.generation, true))) continue;
      const cookie = keyView.getBigUint64(i * socketKey.size + socketKeyOffsets.cookie, true);
      const socket = connectedSocket(cookie, values.slice(at, at + socketPeer.size));
      if (socket !== undefined) found.push(socket);
    }
    after = next;
    if (after !== undefined) await new Promise((resolve) => setImmediate(resolve));
  } while (after !== undefined);
  return found;
}

function connectedSocket(cookie: bigint, value: Uint8Array): ConnectedSocket | undefined {
  const peer = decodeBytes(socketPeer, value);
  const protocol = PROTOCOLS[peer.protocol];
  if (protocol === undefined) return undefined;
  return { cookie, netnsCookie: peer.netns, protocol, address: ipFromKey16(peer.backend), port: peer.backendPort };
}

const keyOf = ({ cookie }: ConnectedSocket): Uint8Array => encodeBytes(socketKey, { cookie, backend: NOWHERE, port: 0, reserved0: 0, reserved1: 0 });

/** Whether the socket lives and still is connected where it was: its entry ends with it. */
export function isStillConnected(sockets: SocketsMap, socket: ConnectedSocket): boolean {
  const value = sockets.lookup(keyOf(socket));
  if (value === undefined) return false;
  const peer = decodeBytes(socketPeer, value);
  return peer.connected === 1 && peer.backendPort === socket.port && ipFromKey16(peer.backend).text === socket.address.text;
}

/** Forgets a socket that is connected no more, though the application may keep it open. */
export function forgetSocket(sockets: SocketsMap, socket: ConnectedSocket): void {
  if (isStillConnected(sockets, socket)) sockets.delete(keyOf(socket));
}
