import { labelSet } from './label-set.ts';
import type { LabelSet } from './label-set.ts';
import { makeLabel } from './label.ts';
import type { Label } from './label.ts';
import type { Identity, NumericIdentity } from './numeric.ts';
import { FIXED_IDENTITIES, numericIdentity } from './numeric.ts';

/** The identities whose numbers are the same on every node and in every cluster, as Cilium has them. */
export const RESERVED = Object.freeze({
  unknown: numericIdentity(0),
  host: numericIdentity(1),
  world: numericIdentity(2),
  unmanaged: numericIdentity(3),
  health: numericIdentity(4),
  init: numericIdentity(5),
  remoteNode: numericIdentity(6),
  kubeApiserver: numericIdentity(7),
  ingress: numericIdentity(8),
  worldIpv4: numericIdentity(9),
  worldIpv6: numericIdentity(10),
});

/** The label by which a workload asks for the fixed identity of that name. */
export const FIXED_IDENTITY_LABEL = 'io.cilium.fixed-identity';

/** The address families in use on the node. */
export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

const NAMES: readonly (readonly [NumericIdentity, ...string[]])[] = [
  [RESERVED.unknown, 'unknown'],
  [RESERVED.host, 'host'],
  [RESERVED.world, 'world'],
  [RESERVED.unmanaged, 'unmanaged'],
  [RESERVED.health, 'health'],
  [RESERVED.init, 'init'],
  [RESERVED.remoteNode, 'remote-node'],
  [RESERVED.kubeApiserver, 'kube-apiserver', 'remote-node'],
  [RESERVED.ingress, 'ingress'],
  [RESERVED.worldIpv4, 'world-ipv4'],
  [RESERVED.worldIpv6, 'world-ipv6'],
];

const WORLD = makeLabel('reserved', 'world');
const WORLD_IPV4 = makeLabel('reserved', 'world-ipv4');
const WORLD_IPV6 = makeLabel('reserved', 'world-ipv6');

function reservedIdentity(id: NumericIdentity, names: readonly string[]): Identity {
  return { id, labels: labelSet(names.map((name) => makeLabel('reserved', name))) };
}

/**
 * The label of addresses outside of the cluster. With both families each has its own; the only family of a
 * single-stack node has `reserved:world`. The family that is off still has a name, which nothing carries.
 */
export function worldLabel(family: 4 | 6, families: Families): Label {
  const other = family === 4 ? families.ipv6 : families.ipv4;
  if (!other) return WORLD;
  return family === 4 ? WORLD_IPV4 : WORLD_IPV6;
}

/** The number of addresses outside of the cluster; see {@link worldLabel}. */
export function worldIdentity(family: 4 | 6, families: Families): NumericIdentity {
  const other = family === 4 ? families.ipv6 : families.ipv4;
  if (!other) return RESERVED.world;
  return family === 4 ? RESERVED.worldIpv4 : RESERVED.worldIpv6;
}

/** Reserved identities, and those that the operator has bound to names. */
export interface ReservedIdentities {
  /** Those that a peer can have here: all but `unknown` and the world identities of the other kind of stack. */
  all(): readonly Identity[];
  /** Any reserved identity by number. */
  get(id: number): Identity | undefined;
  /**
   * The reserved identity that these labels call for, or `undefined`. A fixed identity is claimed by its label,
   * whatever stands beside it; that label with an unknown name calls for none. `reserved:host` and
   * `reserved:remote-node` may stand among other labels, which the result keeps; every other reserved label must stand
   * alone. Who takes labels from users must refuse `reserved:` ones first.
   */
  byLabels(labels: LabelSet): Identity | undefined;
}

/** The reserved identities of a node with these families and fixed identities ({@link parseFixedIdentityMapping}). */
export function createReservedIdentities(
  families: Families,
  options: { readonly fixed?: ReadonlyMap<NumericIdentity, string> } = {},
): ReservedIdentities {
  const byId = new Map<number, Identity>();
  const byName = new Map<string, Identity>();
  for (const [id, ...names] of [...NAMES, ...(options.fixed ?? [])]) {
    const identity = reservedIdentity(id, names);
    byId.set(id, identity);
    byName.set(names[0]!, identity);
  }
  const hidden = new Set<number>([RESERVED.unknown, RESERVED.world, RESERVED.worldIpv4, RESERVED.worldIpv6]);
  if (families.ipv4) hidden.delete(worldIdentity(4, families));
  if (families.ipv6) hidden.delete(worldIdentity(6, families));
  const shown = [...byId.values()].filter(({ id }) => !hidden.has(id));
  const isFixed = (identity: Identity): boolean => identity.id >= FIXED_IDENTITIES.first;
  return {
    all: () => shown,
    get: (id) => byId.get(id),
    byLabels(labels) {
      const claim = labels.get(FIXED_IDENTITY_LABEL);
      if (claim !== undefined) {
        const fixed = byName.get(claim.value);
        return fixed !== undefined && isFixed(fixed) ? fixed : undefined;
      }
      if (labels.has('reserved', 'host')) return { id: RESERVED.host, labels };
      if (labels.has('reserved', 'remote-node')) {
        return { id: labels.has('reserved', 'kube-apiserver') ? RESERVED.kubeApiserver : RESERVED.remoteNode, labels };
      }
      if (labels.size !== 1) return undefined;
      const [label] = labels;
      if (label === undefined || label.source !== 'reserved' || label.value !== '') return undefined;
      const identity = byName.get(label.key);
      return identity === undefined || isFixed(identity) || identity.id === RESERVED.unknown ? undefined : identity;
    },
  };
}

/** The reserved identities that a peer can have on a node with these families. */
export function reservedIdentities(families: Families): Identity[] {
  return [...createReservedIdentities(families).all()];
}
