import type { NodePrograms, SocketLoadBalancer, Xdp } from '@cilium-ts/datapath-programs';
import type { MasqueradeDrain } from '../node/drain-masquerade.ts';
import type { SocketTerminator } from './terminate-sockets.ts';
import type { ServiceGuards } from './service-guards.ts';
import type { Uplink } from './uplink-watch.ts';

/** What treats sockets and packets besides the programs of endpoints' devices. Each is there while the settings ask for it. */
export interface Traffic {
  sockets?: { readonly handle: SocketLoadBalancer; readonly terminator: SocketTerminator } | undefined;
  /** Devices towards the outside that have programs. */
  uplinks?: readonly Uplink[] | undefined;
  nodePrograms?: NodePrograms | undefined;
  readonly guards: ServiceGuards;
  xdp?: Xdp | undefined;
  /** Connections that nftables still masquerades. */
  drain?: MasqueradeDrain | undefined;
}
