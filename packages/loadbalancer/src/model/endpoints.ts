import type { IpAddress } from '@cilium-ts/core';
import type { SourceLocation } from '@cilium-ts/manifest';
import type { Protocol } from './protocol.ts';

/**
 * What may be done with a backend:
 * `active` takes new connections; `terminating` does so only while its service has no active one; `draining` (it
 * terminates and serves no more), `quarantined` (its probe fails) and `maintenance` (not ready) take none. Connections
 * that are open go on in every state.
 */
export type EndpointState = 'active' | 'terminating' | 'draining' | 'quarantined' | 'maintenance';

/** One port of all endpoints of a slice. */
export interface EndpointPort {
  /** Name of the service's port that it stands for. */
  readonly name: string;
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
}

/** One workload that serves. */
export interface Endpoint {
  readonly addresses: readonly IpAddress[];
  readonly state: EndpointState;
  readonly nodeName?: string;
  readonly zone?: string;
  /** Zones that should use it. */
  readonly zoneHints?: readonly string[];
  /** Nodes that should use it. */
  readonly nodeHints?: readonly string[];
  /** Share of connections relative to the others, an integer 0–65535, 1 when absent; 0: none, as `maintenance`. */
  readonly weight?: number;
}

/** Some endpoints of a service; a service may have many slices. */
export interface EndpointSlice {
  readonly namespace: string;
  /** Name of the service. */
  readonly service: string;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
  readonly at?: SourceLocation;
}
