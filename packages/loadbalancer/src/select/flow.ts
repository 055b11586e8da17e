import type { IpAddress } from '@cilium-ts/core';
import type { FlowClient } from '../hash/service-hash.ts';
import type { Protocol } from '../model/protocol.ts';
import type { BackendRecord, ServiceRecord } from '../model/records.ts';

/** A connection, or a datagram without one, on its way to an address that may be a service's. */
export interface Flow {
  readonly client: FlowClient;
  /** Not looked at for sockets, which have none yet. */
  readonly clientPort: number;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: Protocol;
  /** Clients inside are pods and the nodes' own sockets. */
  readonly from: 'inside' | 'outside';
}

/** What the kernel does with a flow that it does not know yet. */
export type Selection =
  /** The address and port are no service's: the flow goes where it is addressed to. */
  | { readonly verdict: 'pass' }
  /** Goes to the backend, at this place of the pool's run. */
  | { readonly verdict: 'backend'; readonly service: ServiceRecord; readonly backend: BackendRecord; readonly hash: number; readonly position: number }
  /** The service has no backend: EHOSTUNREACH at the socket, drop reason 158 per packet. */
  | { readonly verdict: 'no-backend'; readonly service: ServiceRecord }
  /** Source ranges keep the client out: drop reason 177. */
  | { readonly verdict: 'refused'; readonly reason: 'source-range'; readonly service: ServiceRecord }
  /** The frontend is not for clients outside (ClusterIP, unless the node says otherwise; local redirect). */
  | { readonly verdict: 'refused'; readonly reason: 'cluster-ip'; readonly service: ServiceRecord }
  /** The address is a service's, the port is not: drop reason 158, for clients outside only. */
  | { readonly verdict: 'refused'; readonly reason: 'unknown-port'; readonly service: ServiceRecord };
