import type { NumericIdentity } from '@cilium-ts/identity';
import type { RuleSet } from '../model/rule-set.ts';
import { contentHash } from './content-hash.ts';
import type { PolicyRow } from './row.ts';

/** The policy of an endpoint in one direction. */
export interface CompiledDirection {
  /** Whether anything can be denied here. */
  readonly enforced: boolean;
  /** The row of every identity without one of its own, identities included that nobody has heard of yet. */
  readonly any: PolicyRow;
  /** Rows that differ from `any`. */
  readonly byIdentity: ReadonlyMap<NumericIdentity, PolicyRow>;
}

/** The policy of every endpoint with the same identity. */
export interface CompiledPolicy {
  readonly ingress: CompiledDirection;
  readonly egress: CompiledDirection;
  /** Hash of the content: equal for policies that decide the same for the same identities. */
  readonly key: string;
  /** What proxies have to check for it, by ascending id. */
  readonly ruleSets: readonly RuleSet[];
}

/** The row that applies to a peer. */
export function rowForPeer(direction: CompiledDirection, peer: NumericIdentity): PolicyRow {
  return direction.byIdentity.get(peer) ?? direction.any;
}

/** Puts both directions together. Key and rule sets are computed when first asked for. */
export function compiledPolicy(ingress: CompiledDirection, egress: CompiledDirection): CompiledPolicy {
  let key: string | undefined;
  let ruleSets: readonly RuleSet[] | undefined;
  return {
    ingress,
    egress,
    get key() {
      return (key ??= contentHash(`${directionContent(ingress)}\n${directionContent(egress)}`));
    },
    get ruleSets() {
      return (ruleSets ??= ruleSetsOf([ingress, egress].flatMap(({ any, byIdentity }) => [any, ...byIdentity.values()])));
    },
  };
}

/** The rule sets that rows name, once each, by ascending id. */
function ruleSetsOf(rows: Iterable<PolicyRow>): readonly RuleSet[] {
  const sets = new Map<string, RuleSet>();
  for (const { ruleSets } of new Set(rows)) for (const ruleSet of ruleSets) sets.set(ruleSet.id, ruleSet);
  return [...sets.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Does not depend on the order of the identities, nor on which rows happen to be shared with other policies. */
function directionContent({ enforced, any, byIdentity }: CompiledDirection): string {
  const numbers = new Map<PolicyRow, number>([[any, 0]]);
  const peers = [...byIdentity].sort(([a], [b]) => a - b);
  const entries = peers.map(([id, row]) => {
    let number = numbers.get(row);
    if (number === undefined) numbers.set(row, (number = numbers.size));
    return `${id}:${number}`;
  });
  return `${enforced} ${[...numbers.keys()].map(({ key }) => key).join(' ')} ${entries.join()}`;
}
