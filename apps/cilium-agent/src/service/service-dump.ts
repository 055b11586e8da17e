import type { BpfService } from '@cilium-ts/agent-api';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import type { ServiceDumpEntry } from '@cilium-ts/datapath-programs';

const PROTOCOLS: Readonly<Record<number, BpfService['frontend']['protocol']>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' };

const flagNames = (flags: number): string[] => Object.entries(SERVICE_FLAG).flatMap(([name, bit]) => ((flags & bit) === 0 ? [] : [name]));

/** The kernel's services as the API shows them; 0 is the id of the entry that stands for every other port of an address. */
export const bpfServices = (entries: readonly ServiceDumpEntry[]): BpfService[] =>
  entries.map(({ id = 0, address, port, protocol, scope, flags, affinityTimeout, pool, generation, runLength, backends, sourceRanges }) => ({
    id, frontend: { ip: address.text, port, protocol: PROTOCOLS[protocol] ?? 'ANY', scope }, flags: flagNames(flags), pool, generation, 'affinity-timeout': affinityTimeout, 'run-length': runLength,
    backends: backends.map((backend) => ({
      index: backend.index, ip: backend.address.text, port: backend.port, protocol: PROTOCOLS[backend.protocol] ?? String(backend.protocol), state: backend.state, generation: backend.generation,
      share: runLength === 0 ? 0 : backend.places / runLength,
    })),
    'source-ranges': sourceRanges.map(({ text }) => text),
  }));
