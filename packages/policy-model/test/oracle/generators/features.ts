/** What the generated policies may contain, for readers that do not take everything. */
export interface Features {
  readonly layer7: boolean;
  readonly tiers: boolean;
  readonly namedPorts: boolean;
  readonly cidrGroups: boolean;
  readonly services: boolean;
  readonly names: boolean;
  readonly providerGroups: boolean;
  readonly nodes: boolean;
  readonly hostPolicies: boolean;
  readonly kubeApiserver: boolean;
  readonly authentication: boolean;
}

export const EVERYTHING: Features = {
  layer7: true,
  tiers: true,
  namedPorts: true,
  cidrGroups: true,
  services: true,
  names: true,
  providerGroups: true,
  nodes: true,
  hostPolicies: true,
  kubeApiserver: true,
  authentication: true,
};

export const NOTHING: Features = {
  layer7: false,
  tiers: false,
  namedPorts: false,
  cidrGroups: false,
  services: false,
  names: false,
  providerGroups: false,
  nodes: false,
  hostPolicies: false,
  kubeApiserver: false,
  authentication: false,
};
