import type { NodePrograms, Prefilter, SocketLoadBalancer } from '@cilium-ts/datapath-programs';
import type { MasqueradeDrain } from '../node/drain-masquerade.ts';
import type { SocketTerminator } from './terminate-sockets.ts';
import type { Uplink } from './uplink-watch.ts';

/** What treats sockets and packets besides the programs of endpoints' devices. Each is there while the settings ask for it. */
export interface Traffic {
  sockets?: { readonly handle: SocketLoadBalancer; readonly terminator: SocketTerminator } | undefined;
  uplinks?: { readonly programs: NodePrograms; readonly devices: readonly Uplink[] } | undefined;
  /** Connections that nftables still masquerades. */
  drain?: MasqueradeDrain | undefined;
  prefilter?: Prefilter | undefined;
}
