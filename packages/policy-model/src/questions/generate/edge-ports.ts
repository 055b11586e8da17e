import { PROTOCOL, protocolName } from '../../model/protocol.ts';
import type { Edge } from './traffic.ts';

/** Ports of one protocol, one after the other. */
export interface PortRun {
  readonly protocol: string;
  readonly first: number;
  readonly last: number;
}

const TRANSPORT: readonly number[] = [PROTOCOL.TCP, PROTOCOL.UDP, PROTOCOL.SCTP];

export const isTransport = ({ protocol }: Edge): boolean => TRANSPORT.includes(protocol);
export const isIcmp = ({ protocol }: Edge): boolean => protocol === PROTOCOL.ICMP || protocol === PROTOCOL.ICMPV6;

/** The ports in order, three and more in a row as a range: exactly as many, and easier to read. */
export function portRuns(edges: readonly Edge[]): PortRun[] {
  const sorted = [...edges].sort(byPort);
  const runs: { protocol: string; first: number; last: number }[] = [];
  for (const { protocol, port } of sorted) {
    const name = protocolName(protocol);
    const run = runs.at(-1);
    if (run !== undefined && run.protocol === name && run.last + 1 === port) run.last = port;
    else runs.push({ protocol: name, first: port, last: port });
  }
  return runs.flatMap((run) => (run.last - run.first >= 2 ? [run] : Array.from({ length: run.last - run.first + 1 }, (_, i) => ({ ...run, first: run.first + i, last: run.first + i }))));
}

export function byPort(a: Edge, b: Edge): number {
  return a.protocol - b.protocol || a.port - b.port;
}

/** Pieces of at most `size` members. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}
