import { decodeBytes } from '@cilium-ts/bpf-maps';
import { ipFromKey16, type IpAddress } from '@cilium-ts/core';
import { NAT_FLAG, NAT_STATE, NAT_TRIES, natEntry, natKey } from '@cilium-ts/datapath-layout';
import { splitPerCpu, type BpfMap } from 'libbpf-napi';
import { u32Bytes } from '../write/encode.ts';

/** One end of a translated packet; the port is an ICMP identifier where the protocol is ICMP, 0 where there is none. */
export interface NatEnd {
  readonly address: IpAddress;
  readonly port: number;
}

/** What packets of one direction of a connection become. */
export interface NatDumpEntry {
  readonly protocol: number;
  readonly direction: 'original' | 'reply';
  readonly source: NatEnd;
  readonly destination: NatEnd;
  readonly newSource: NatEnd;
  readonly newDestination: NatEnd;
  /** Id of the service it goes to; undefined: masqueraded, or moved out of the way of a masqueraded one. */
  readonly service: number | undefined;
  /** Whether this node chose source address and port. */
  readonly allocated: boolean;
  /** Whether the backend answers the client itself. */
  readonly dsr: boolean;
  readonly state: 'opening' | 'established' | 'closing';
}

/** The table of translations as it is in the kernel. */
export function dumpNat(map: BpfMap): NatDumpEntry[] {
  return Array.from(map.entries(), ([keyBytes, valueBytes]) => {
    const key = decodeBytes(natKey, keyBytes);
    const entry = decodeBytes(natEntry, valueBytes);
    return {
      protocol: key.protocol,
      direction: entry.flags & NAT_FLAG.REPLY ? 'reply' : 'original',
      source: end(key.source, key.sourcePort),
      destination: end(key.destination, key.destinationPort),
      newSource: end(entry.source, entry.sourcePort),
      newDestination: end(entry.destination, entry.destinationPort),
      service: entry.flags & NAT_FLAG.SERVICE ? entry.service : undefined,
      allocated: (entry.flags & NAT_FLAG.ALLOCATED) !== 0,
      dsr: (entry.flags & NAT_FLAG.DSR) !== 0,
      state: stateName(entry.state),
    };
  });
}

const end = (address: Uint8Array, port: number): NatEnd => ({ address: ipFromKey16(address), port });

function stateName(state: number): NatDumpEntry['state'] {
  const ends = NAT_STATE.FIN_ORIGINAL | NAT_STATE.FIN_REPLY;
  if (state & NAT_STATE.RESET || (state & ends) === ends) return 'closing';
  return state & NAT_STATE.CONFIRMED ? 'established' : 'opening';
}

/** How many connections found a port at the first try, the second, …; `failed` found none and were dropped. */
export interface NatTries {
  readonly found: readonly bigint[];
  readonly failed: bigint;
}

/** Sums the counts of all CPUs. */
export function natTries(map: BpfMap): NatTries {
  const counts = Array.from({ length: NAT_TRIES + 1 }, (_, index) => {
    const values = splitPerCpu(map.lookup(u32Bytes(index)) ?? new Uint8Array(0), 8);
    return values.reduce((sum, value) => sum + new DataView(value.buffer, value.byteOffset).getBigUint64(0, true), 0n);
  });
  return { found: counts.slice(0, NAT_TRIES), failed: counts[NAT_TRIES] ?? 0n };
}
