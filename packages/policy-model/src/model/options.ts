/**
 * When an endpoint starts to deny (Cilium's `enable-policy`): `default` per direction as soon as a rule of that
 * direction selects it, `always` for every endpoint, `never` not at all.
 */
export type EnforcementMode = 'default' | 'always' | 'never';

/** What the meaning of rules depends on besides the rules. */
export interface PolicyOptions {
  readonly enforcement: EnforcementMode;
  /**
   * Whether the node itself may always reach its pods (Cilium's `allow-localhost: always`). A rule that denies the
   * host still wins. Stand-alone the default is off (`auto` means `always` only with Kubernetes).
   */
  readonly allowLocalhost: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Name of this cluster; pods carry it as `k8s:io.cilium.k8s.policy.cluster`. */
  readonly clusterName: string;
  /** Whether label peers that name no cluster mean the local one only (Cilium's `policy-default-local-cluster`). */
  readonly defaultLocalCluster: boolean;
  /** Whether rules apply to the node itself (Cilium's `enable-host-firewall`); off unless said. */
  readonly hostFirewall?: boolean;
  /**
   * Whether NetworkPolicies count by their own words, without what Cilium makes of them: see
   * docs/policies/network-policy-deviations.md. Off unless said.
   */
  readonly strictNetworkPolicy?: boolean;
  /** Whether drops by policy are only reported (Cilium's `policy-audit-mode`). Rows do not change; verdicts do. */
  readonly auditMode?: boolean;
}

/** The options of a stand-alone agent that was given none. */
export const DEFAULT_POLICY_OPTIONS: PolicyOptions = {
  enforcement: 'default',
  allowLocalhost: false,
  ipv4: true,
  ipv6: true,
  clusterName: 'default',
  defaultLocalCluster: true,
};
