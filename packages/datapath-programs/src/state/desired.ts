import type { Brand, IpAddress, MacAddress } from '@cilium-ts/core';

/** Index of an endpoint in the datapath's arrays: dense, small, independent of the endpoint's id. */
export type Slot = Brand<number, 'Slot'>;

/** A number as slot. @throws RangeError when it is no whole number from 0 up */
export function asSlot(value: number): Slot {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`slot: expected a whole number from 0 up, got ${value}`);
  return value as Slot;
}

/** What a packet is told: the decision of the run of ports it falls into. The part of policy-model's `RowVerdict` that the datapath knows. */
export interface RowVerdictShape {
  readonly action: 'deny-default' | 'allow' | 'deny';
  /** What decided, 0–6: the match types of policy-verdict events. */
  readonly match: number;
}

/**
 * A sorted run of verdicts. `start` is protocol × 65,536 + port (or ICMP type); the first is 0, they ascend
 * strictly, and each reaches to the next.
 */
export interface PolicyRowShape {
  readonly key: string;
  readonly boundaries: readonly { readonly start: number; readonly verdict: RowVerdictShape }[];
}

/** One direction of a compiled policy. */
export interface CompiledDirectionShape {
  readonly enforced: boolean;
  /** For every identity without a row of its own. */
  readonly any: PolicyRowShape;
  readonly byIdentity: ReadonlyMap<number, PolicyRowShape>;
}

/** The shape of policy-model's `CompiledPolicy`; equal keys mean equal content. */
export interface CompiledPolicyShape {
  readonly key: string;
  readonly ingress: CompiledDirectionShape;
  readonly egress: CompiledDirectionShape;
}

/** An endpoint as it should be in the datapath. At least one address is needed. */
export interface DesiredEndpoint {
  /** 1–65,535: names the endpoint in events. */
  readonly id: number;
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
  /** The MAC address of the device in the pod. */
  readonly mac: MacAddress;
  /** The MAC address of the host end. */
  readonly hostMac: MacAddress;
  /** Of the host end, in the node's namespace. */
  readonly ifindex: number;
  readonly mtu: number;
  /** IFLA_LINK_NETNSID of the host end; -1 when unknown. */
  readonly netnsId: number;
  readonly identity: number;
  readonly policy: CompiledPolicyShape | 'locked-down';
  /** Report what policy would drop instead of dropping it. */
  readonly audit?: boolean;
}

/** What an address or prefix that is no local endpoint's stands for. */
export interface DesiredAddress {
  readonly identity: number;
  /** An address of this node. */
  readonly host?: boolean;
}

/** Everything the datapath should hold. What is not named here is removed. */
export interface DesiredState {
  readonly endpoints: ReadonlyMap<Slot, DesiredEndpoint>;
  /** By CIDR text (a bare address counts as /32 or /128). An endpoint's own address wins over an entry here. */
  readonly addresses: ReadonlyMap<string, DesiredAddress>;
}

/** Why something could not be put in place. */
export type ApplyFailureReason = 'policy-map-full' | 'rows-full' | 'addresses-full' | 'prefixes-full' | 'remotes-full' | 'devices-full' | 'row-too-large';

/** One part of the desired state that is not in force; everything else is. */
export interface ApplyFailure {
  readonly reason: ApplyFailureReason;
  /** The endpoint concerned, if it is one. */
  readonly slot?: Slot;
  /** The address or prefix concerned, if it is one. */
  readonly address?: string;
  /** What the endpoint or address has instead. */
  readonly effect: 'kept-old-policy' | 'locked-down' | 'not-published';
  readonly message: string;
}

/** What apply() did. */
export interface ApplyReport {
  /** Was the node's epoch moved (a change that may alter the verdict of a live flow)? */
  readonly switched: boolean;
  /** The epoch in force afterwards. */
  readonly epoch: bigint;
  readonly failures: readonly ApplyFailure[];
  /** Was anything at all written? */
  readonly changed: boolean;
  /** Per active slot, the policy revision that its flows carry from now on. */
  readonly revisions: ReadonlyMap<Slot, number>;
}

/** An endpoint as found pinned. */
export interface RestoredEndpoint {
  readonly slot: Slot;
  readonly id: number;
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
  readonly mac: MacAddress;
  readonly hostMac: MacAddress;
  readonly ifindex: number;
  readonly identity: number;
  readonly lockedDown: boolean;
  readonly revision: number;
}

/** What a previous run left in force. */
export interface RestoredState {
  /** Was anything pinned? */
  readonly found: boolean;
  readonly endpoints: ReadonlyMap<Slot, RestoredEndpoint>;
  /** Non-local addresses by CIDR text. */
  readonly addresses: ReadonlyMap<string, DesiredAddress>;
  /** Every identity that an endpoint, an address or a policy entry carries. */
  readonly identities: ReadonlySet<number>;
}
