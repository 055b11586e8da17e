import type { IpAddress } from '@cilium-ts/core';
import { ipToKey16 } from '@cilium-ts/core';

/** A socket that connects or sends: its cookie (SO_COOKIE) and that of its network namespace, 64 bits each. */
export interface SocketClient {
  readonly cookie: bigint;
  /** What session affinity goes by; 0 when absent. */
  readonly netns?: bigint;
}

/** Who connects: an address in a packet, or a socket. */
export type FlowClient = IpAddress | SocketClient;

/** What the kernel hashes to choose a backend. */
export interface HashedFlow {
  readonly client: FlowClient;
  /** Source port; sockets have none yet, and with session affinity it does not count. */
  readonly clientPort: number;
  /** Whether the service has session affinity: then a client's ports and sockets are one. */
  readonly affinity: boolean;
  /** Port of the frontend. */
  readonly port: number;
  /** 6, 17 or 132. */
  readonly protocol: number;
}

/**
 * `service_hash` of bpf/lib/services.h: MurmurHash3 (x86, 32 bits) over the client's 16 bytes, both ports as in the
 * packet, and the protocol, from the seed that the node's programs have.
 */
export function serviceHash(flow: HashedFlow, seed: number): number {
  let hash = seed;
  const clientPort = flow.affinity || 'cookie' in flow.client ? 0 : flow.clientPort;
  for (const word of clientWords(flow.client, flow.affinity)) hash = mix(hash, word);
  hash = mix(hash, swap16(clientPort) | (swap16(flow.port) << 16));
  hash = mix(hash, flow.protocol) ^ 24;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** `run_position` of bpf/lib/services.h: the hash scaled to 0 … `length` − 1. */
export function runPosition(hash: number, length: number): number {
  // A 32-bit number times at most 2^21 is exact.
  return Math.floor((hash * length) / 0x100000000);
}

/** Four 32-bit words in memory order of a little-endian machine. */
function clientWords(client: FlowClient, affinity: boolean): readonly number[] {
  if ('cookie' in client) return affinity ? [...cookieWords(client.netns ?? 0n), 0xffffffff, 0xffffffff] : [...cookieWords(client.cookie), 0, 0];
  const key = ipToKey16(client);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return [0, 4, 8, 12].map((offset) => view.getUint32(offset, true));
}

function cookieWords(cookie: bigint): readonly number[] {
  return [Number(cookie & 0xffffffffn), Number((cookie >> 32n) & 0xffffffffn)];
}

function mix(hash: number, word: number): number {
  let key = Math.imul(word, 0xcc9e2d51);
  key = Math.imul((key << 15) | (key >>> 17), 0x1b873593);
  const mixed = hash ^ key;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function swap16(port: number): number {
  return ((port & 0xff) << 8) | (port >>> 8);
}
