import type { RawMap } from '@cilium-ts/bpf-maps';
import { flowKeyOffsets } from '@cilium-ts/datapath-layout';
import { wrapProgram, type WrappedPacket } from './wrapped-program.ts';
import { segment, type Pod } from './pods.ts';
import type { Program } from 'libbpf-napi';

/** How many client ports take turns, and the first of them. */
export const ROTATION = { ports: 50_000, first: 10_000 } as const;

interface Establish {
  readonly wrapper: string;
  readonly program: Program;
  readonly client: Pod;
  readonly server: Pod;
  /** The service by whose address the client reaches the server. Default: none. */
  readonly service?: Pod;
  readonly family: 4 | 6;
  readonly destinationPort: number;
  /** How many client ports, from ROTATION.first up. */
  readonly count: number;
}

/** Opens connections as two pods would: SYN, SYN-ACK, ACK, each through the program under test. */
export async function establish({ wrapper, program, client, server, service = server, family, destinationPort, count }: Establish): Promise<void> {
  const forth = { from: client, to: service, family, sourcePort: ROTATION.first, destinationPort } as const;
  const back = { from: server, to: client, family, sourcePort: destinationPort, destinationPort: ROTATION.first } as const;
  const rotation = { ports: count, firstPort: ROTATION.first };
  const steps: WrappedPacket[] = [
    { packet: segment({ ...forth, flags: ['syn'] }), ifindex: client.ifindex, ...rotation },
    { packet: segment({ ...back, flags: ['syn', 'ack'] }), ifindex: server.ifindex, ...rotation, rotate: 'destination' },
    { packet: segment({ ...forth, flags: ['ack'] }), ifindex: client.ifindex, ...rotation },
  ];
  for (const step of steps) {
    using wrapped = await wrapProgram(wrapper, program, step);
    const { verdict } = wrapped.burst(count);
    if (verdict !== 7) throw new Error(`opening connections to port ${destinationPort} failed: the program returned ${verdict}, not TC_ACT_REDIRECT`);
  }
}

/** Ports from `first` up. */
export interface PortRange {
  readonly first: number;
  readonly count: number;
}

/** The keys of all flows between this port and one of the client's, one after the other. */
export function flowKeys(flows: RawMap, port: number, client: PortRange): { keys: Uint8Array; count: number } {
  const found: Uint8Array[] = [];
  for (const [key] of flows.entries()) {
    const view = new DataView(key.buffer, key.byteOffset);
    const ends = [view.getUint16(flowKeyOffsets.port0), view.getUint16(flowKeyOffsets.port1)];
    if (ends.includes(port) && ends.some((each) => each >= client.first && each < client.first + client.count)) found.push(key.slice());
  }
  const keys = new Uint8Array(found.length * flows.keySize);
  found.forEach((key, index) => keys.set(key, index * flows.keySize));
  return { keys, count: found.length };
}
