import type { Cidr, IpAddress } from '@cilium-ts/core';
import type { SourceLocation } from '@cilium-ts/manifest';
import type { Protocol } from './protocol.ts';
import type { Labels, LabelSelector } from './label-selector.ts';

/** What makes an address and port lead to a service. */
export type FrontendKind = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalIP' | 'HostPort' | 'LocalRedirect';

/** How backends are chosen: at random by their weights, or by a Maglev table, which changes little with its backends. */
export type Algorithm = 'random' | 'maglev';

/** How a node hands a client's packet to a backend on another node: by translating its source too, or directly. */
export type ForwardingMode = 'snat' | 'dsr';

/** `Local`: only backends on this node. */
export type TrafficPolicy = 'Cluster' | 'Local';

/** Which backends are preferred: none, those that topology hints name for this zone, or for this node. */
export type TrafficDistribution = 'any' | 'zone' | 'node';

/** One address and port by which clients reach a service. */
export interface ServiceFrontend {
  readonly kind: FrontendKind;
  /** `0.0.0.0` or `::`: every address of the node (NodePort and HostPort). */
  readonly address: IpAddress;
  /** 1–65535. */
  readonly port: number;
  readonly protocol: Protocol;
  /** Name of the service's port: backends are found by it. `''` for the one port without a name. */
  readonly portName: string;
  /** The id that the frontend would like to have, 1–65535; another one is given, and reported, when that is taken. */
  readonly id?: number;
}

/** On which nodes a service is reached from outside; everywhere when absent. */
export interface NodeExposure {
  /** Nodes whose label `service.cilium.io/node` has this value. */
  readonly label?: string;
  /** Nodes with such labels. */
  readonly selector?: LabelSelector;
}

/** How a node finds out whether a backend serves. */
export type HealthProbe = { readonly kind: 'tcp' } | { readonly kind: 'http'; readonly path: string };

/** A service: its frontends, and how traffic to them is treated. Its backends are those of its endpoint slices. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  /** Its own labels, for those who select services by them; balancing does not read them. */
  readonly labels?: Labels;
  /** Labels of the pods behind it, in its namespace; absent where it selects none. Its backends come from slices all the same. */
  readonly selector?: Labels;
  /** Empty for headless services. */
  readonly frontends: readonly ServiceFrontend[];
  /** How long a client keeps its backend, in seconds, 1–16777215; 0 without session affinity. */
  readonly affinityTimeout: number;
  readonly externalTrafficPolicy: TrafficPolicy;
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly trafficDistribution: TrafficDistribution;
  /** Prefixes of clients outside; none: everybody. */
  readonly sourceRanges: readonly Cidr[];
  /** Whether `sourceRanges` are those let in or those kept out. */
  readonly sourceRangePolicy: 'allow' | 'deny';
  /** The node's default when absent. */
  readonly algorithm?: Algorithm;
  /** The node's default when absent. */
  readonly forwardingMode?: ForwardingMode;
  /** Kinds of frontend to create; all when absent. */
  readonly exposure?: readonly FrontendKind[];
  readonly nodeExposure?: NodeExposure;
  /** Where the node answers whether it has local backends, 1–65535 (externalTrafficPolicy `Local`). */
  readonly healthCheckNodePort?: number;
  /** How its backends are probed; they are not when absent. */
  readonly healthCheck?: HealthProbe;
  /** Whether other ports of its ClusterIP and LoadBalancer addresses are refused to clients outside. */
  readonly wildcard: boolean;
  /** When it was created, in milliseconds of Unix time: of two services with one frontend, the older has it. */
  readonly createdAt?: number;
  readonly at?: SourceLocation;
}

/** What a service must have; the rest has Kubernetes' defaults. */
export type ServiceDefinition = Pick<Service, 'name' | 'frontends'> & Partial<Service>;

/** A service with defaults for what the definition leaves out: namespace `default`, no affinity, policies `Cluster`. */
export function defineService(definition: ServiceDefinition): Service {
  return {
    namespace: 'default',
    affinityTimeout: 0,
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    trafficDistribution: 'any',
    sourceRanges: [],
    sourceRangePolicy: 'allow',
    wildcard: true,
    ...definition,
  };
}

/** `namespace/name`, by which slices find their service. */
export function serviceName(service: Pick<Service, 'namespace' | 'name'>): string {
  return `${service.namespace}/${service.name}`;
}
