import type { IpAddress } from '@cilium-ts/core';
import type { SourceLocation } from '@cilium-ts/manifest';
import type { Labels } from './label-selector.ts';
import type { Protocol } from './protocol.ts';

/** A port of a pod's container. */
export interface PodPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** The port of the node that leads here. */
  readonly hostPort?: number;
  /** The one address of the node that does; all when absent. */
  readonly hostIp?: IpAddress;
}

/** A pod: what HostPorts and local redirect policies need to know. Pods of other nodes are ignored. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly addresses: readonly IpAddress[];
  /** This node when absent. */
  readonly nodeName?: string;
  readonly state: 'active' | 'terminating' | 'maintenance';
  readonly ports: readonly PodPort[];
  readonly createdAt?: number;
  readonly at?: SourceLocation;
}
