import type { IpAddress } from '@cilium-ts/core';
import type { Endpoint, EndpointSlice, EndpointState } from '../model/endpoints.ts';
import type { Protocol } from '../model/protocol.ts';

/** One address and port behind a service's port, with all that decides whether it is used. */
export interface Candidate {
  /** `10.0.0.1|8080`: unique within a pool. */
  readonly key: string;
  readonly address: IpAddress;
  readonly port: number;
  readonly state: EndpointState;
  readonly weight: number;
  readonly endpoint: Endpoint;
}

/** Which candidates are wanted. */
export interface CandidateQuery {
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: 4 | 6;
  /** Only those on this node. */
  readonly localTo?: string;
  /** Whether the probe of that backend fails. */
  isUnhealthy(address: string, port: number, protocol: Protocol): boolean;
}

/** Best first: of two statements about one backend, which happens while it moves between slices, the better counts. */
const ORDER: readonly EndpointState[] = ['active', 'terminating', 'quarantined', 'maintenance', 'draining'];

/** The backends of one service port, each once, in the order of their keys, which is the same on every node. */
export function candidatesOf(slices: Iterable<EndpointSlice>, query: CandidateQuery): readonly Candidate[] {
  const found: Candidate[] = [];
  for (const slice of slices) {
    for (const { name, protocol, port } of slice.ports) {
      if (name === query.portName && protocol === query.protocol) collect(found, slice.endpoints, port, query);
    }
  }
  found.sort(compareCandidates);
  return found.filter(({ key }, place) => place === 0 || key !== found[place - 1]!.key);
}

function collect(found: Candidate[], endpoints: readonly Endpoint[], port: number, query: CandidateQuery): void {
  for (const endpoint of endpoints) {
    if (query.localTo !== undefined && endpoint.nodeName !== query.localTo) continue;
    for (const address of endpoint.addresses) {
      if (address.family === query.family) found.push(candidateOf(address, port, endpoint, query));
    }
  }
}

/** By key, and the best statement about one backend first: by state, by weight, then by anything that is the same everywhere. */
function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || b.weight - a.weight || compareText(placeOf(a.endpoint), placeOf(b.endpoint));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function placeOf({ nodeName = '', zone = '', zoneHints = [], nodeHints = [] }: Endpoint): string {
  return [nodeName, zone, ...zoneHints, '', ...nodeHints].join('\0');
}

function candidateOf(address: IpAddress, port: number, endpoint: Endpoint, query: CandidateQuery): Candidate {
  const weight = endpoint.weight ?? 1;
  return { key: `${address.text}|${port}`, address, port, state: stateOf(address, port, endpoint, query), weight, endpoint };
}

function stateOf({ text }: IpAddress, port: number, { state, weight }: Endpoint, query: CandidateQuery): EndpointState {
  if (state !== 'active' && state !== 'terminating') return state;
  if (weight === 0) return 'maintenance';
  return query.isUnhealthy(text, port, query.protocol) ? 'quarantined' : state;
}
