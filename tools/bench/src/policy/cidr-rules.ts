import { parseCidr } from '@cilium-ts/core';
import { cidrLabels, numericIdentity, selectorFromLabelSelector, type Identity } from '@cilium-ts/identity';
import type { PolicyResource, Rule, RuleAction } from '@cilium-ts/policy-model';

const at = { line: 1, column: 1, field: 'spec' };
const FAMILIES = { ipv4: true, ipv6: true };

/** How the numbers of rules go through prefixes and ports, after the rules that Cilium's own benchmark makes. */
interface Cycle {
  readonly ports: number;
  /** Second and third number of the address, and what the last goes round in. */
  readonly second: number;
  readonly third: number;
  readonly slices: number;
  readonly hosts: number;
}

const ALLOW: Cycle = { ports: 97, second: 17, third: 121, slices: 16, hosts: 255 };
const DENY: Cycle = { ports: 131, second: 23, third: 119, slices: 15, hosts: 253 };

/** The prefix of rule `i`: /8, /16, /24, /28 and /32 in turn, most of them inside of others. */
function prefixOf(i: number, length: number, { second, third, slices, hosts }: Cycle): string {
  const first = [10, 192, 244][i % 3]!;
  const last = length === 28 ? (i % slices) << 4 : i % hosts;
  const numbers = [first, length > 8 ? i % second : 0, length > 16 ? i % third : 0, length > 24 ? last : 0];
  return `${numbers.join('.')}/${length}`;
}

const LENGTHS = [8, 16, 24, 28, 32] as const;

function rule(resource: string, action: RuleAction, { i, length, cycle, protocol }: { i: number; length: number; cycle: Cycle; protocol: number }): { readonly prefix: string; readonly rule: Rule } {
  const prefix = prefixOf(i, length, cycle);
  const port = 80 + (i % cycle.ports);
  return {
    prefix,
    rule: {
      resource,
      direction: 'egress',
      action,
      subject: selectorFromLabelSelector({ matchLabels: { foo: '' } }, { defaultSource: 'any' }),
      defaultDeny: true,
      tier: 'normal',
      peers: { kind: 'peers', peers: [{ kind: 'cidr', prefix: parseCidr(prefix)!, except: [], at }] },
      ports: { kind: 'ports', ports: [{ protocol, first: port, last: port, at }] },
      at,
    },
  };
}

/** Policies of one rule each, or with `denials` of one permission and one denial, and the identities of their prefixes. */
export function cidrRules(count: number, denials: boolean): { readonly policies: readonly PolicyResource[]; readonly identities: readonly Identity[] } {
  const prefixes = new Set<string>();
  const policies = Array.from({ length: count }, (_, index): PolicyResource => {
    const i = index + 1;
    const key = `CiliumNetworkPolicy/default/cidr-${i}`;
    const protocol = [6, 17, 132][Math.floor(i / 5) % 3]!;
    const made = [rule(key, 'allow', { i, length: LENGTHS[i % 5]!, cycle: ALLOW, protocol })];
    if (denials) made.push(rule(key, 'deny', { i: i + 773, length: LENGTHS[(i + 773 + 21) % 5]!, cycle: DENY, protocol }));
    for (const { prefix } of made) prefixes.add(prefix);
    return { kind: 'CiliumNetworkPolicy', namespace: 'default', name: `cidr-${i}`, key, document: {}, rules: made.map((one) => one.rule) };
  });
  const identities = Array.from(prefixes, (text, i) => ({ id: numericIdentity(16_777_217 + i), labels: cidrLabels(parseCidr(text)!, FAMILIES) }));
  return { policies, identities };
}
