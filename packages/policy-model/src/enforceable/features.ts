/** What a datapath can enforce besides peers by labels, entities and prefixes, and ports by number. */
export interface EnforceableFeatures {
  /** Tiers above and below of normal policies: AdminNetworkPolicy and its like. */
  readonly tiers: boolean;
  /** CiliumCIDRGroup. */
  readonly cidrGroups: boolean;
  /** Ports by name: the container ports of pods are known. */
  readonly namedPorts: boolean;
  /** `toServices`: services and their backends are known. An agent knows them where it has a folder of services. */
  readonly services: boolean;
  /** `toFQDNs`: a DNS proxy sees which addresses names have. */
  readonly fqdn: boolean;
  /** Groups of cloud providers: somebody resolves them. */
  readonly groups: boolean;
  /** Nodes by their labels. */
  readonly nodes: boolean;
  /** Where the API server is. */
  readonly kubeApiserver: boolean;
  /** Policies for nodes. */
  readonly hostFirewall: boolean;
  /** Layer 7: a proxy reads requests. */
  readonly l7: boolean;
  /** Server names, and keys to terminate or originate TLS with. */
  readonly tls: boolean;
  /** Listeners of a proxy that policies name. */
  readonly listeners: boolean;
}

/** What the agent's datapath of this version enforces. */
export const DATAPATH_FEATURES: EnforceableFeatures = {
  tiers: true,
  cidrGroups: true,
  namedPorts: false,
  services: true,
  fqdn: false,
  groups: false,
  nodes: false,
  kubeApiserver: false,
  hostFirewall: false,
  l7: false,
  tls: false,
  listeners: false,
};
