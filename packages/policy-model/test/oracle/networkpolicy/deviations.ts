import { anyHeld } from '../simulator/address.ts';
import type { Json } from '../simulator/tables.ts';
import { REPLICA, WEB } from './cluster.ts';
import type { Connection, Pod } from './strict.ts';

/**
 * Why Cilium's reading of NetworkPolicies may differ from their own words about this side of a connection: names of
 * rows in docs/policies/network-policy-deviations.md. Where there is none, both must say the same.
 */
export function deviations(policies: readonly Json[], side: 'egress' | 'ingress', { from, to }: Connection): string[] {
  const [pod, peer] = side === 'egress' ? [from, to] : [to, from];
  if (pod.kind !== 'pod') return [];
  const own = policies.filter(({ metadata }) => (metadata.namespace ?? 'default') === pod.namespace);
  const found: string[] = [];
  if (side === 'ingress' && peer.kind === 'own-node') found.push('node');
  if (peer.kind !== 'outside' && own.some(({ spec }) => blocksOf(spec, side).some(({ cidr, except = [] }) => anyHeld([cidr], except, peer.addresses)))) {
    found.push(peer.kind === 'pod' ? 'ip-block-pods' : 'ip-block-nodes');
  }
  const type = side === 'egress' ? 'Egress' : 'Ingress';
  if (own.some(({ spec }) => (spec.policyTypes ?? []).length > 0 && !spec.policyTypes.includes(type) && (spec[side] ?? []).length > 0)) found.push('unlisted-direction');
  return found;
}

/** Whether a block holds the peer, but not every pod with the peer's labels. */
export function splitsReplicas(policies: readonly Json[], side: 'egress' | 'ingress', { from, to }: Connection): boolean {
  const peer = side === 'egress' ? to : from;
  if (peer !== WEB && peer !== REPLICA) return false;
  const blocks = policies.flatMap(({ spec }) => blocksOf(spec, side));
  const held = (one: Pod, { cidr, except = [] }: Json): boolean => anyHeld([cidr], except, one.addresses);
  return blocks.some((block) => held(WEB, block) !== held(REPLICA, block));
}

function blocksOf(spec: Json, side: 'egress' | 'ingress'): Json[] {
  const peers: Json[] = (spec[side] ?? []).flatMap((rule: Json) => (side === 'egress' ? rule.to : rule.from) ?? []);
  return peers.map(({ ipBlock }) => ipBlock).filter((block) => block !== undefined);
}
