import { basename } from 'node:path';
import { hostCidr, parseIp } from '@cilium-ts/core';
import { cidrLabels, numericIdentity, RESERVED, reservedIdentities, workloadLabels, type Identity, type LabelSet } from '@cilium-ts/identity';
import { DEFAULT_POLICY_OPTIONS, explain, PROTOCOL, type Explanation, type PolicyRepository, type RuleReference } from '@cilium-ts/policy-model';
import type { Connection, Party } from './connection.ts';
import type { Shop } from './shop.ts';

/** Asks the policy model, which knows nothing of the agent or the kernel, about one connection. */
export type Expect = (connection: Connection) => Explanation;

/** Echo requests have the type 8 in ICMP and 128 in ICMPv6. */
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;

const options = DEFAULT_POLICY_OPTIONS;
const families = { ipv4: true, ipv6: true };

/** What the policies of `repository` say about the shop. */
export function createExpectation(repository: PolicyRepository, { pods }: Shop): Expect {
  const labels = new Map(pods.map((pod) => [pod.name, workloadLabels(pod.labels, { namespace: pod.namespace, clusterName: options.clusterName })]));
  const numbers = new Map<string, number>();
  // Any number will do: policies speak of labels.
  const identity = (set: LabelSet): Identity => {
    if (!numbers.has(set.text)) numbers.set(set.text, 256 + numbers.size);
    return { id: numericIdentity(numbers.get(set.text) ?? 0), labels: set };
  };
  const identityOf = (party: Party, family: 4 | 6): Identity => {
    if (party.kind === 'node') return host();
    const own = labels.get(party.name);
    if (own !== undefined) return identity(own);
    const address = parseIp(party.addresses[family] ?? '');
    if (address === undefined) throw new TypeError(`${party.name} has no IPv${family} address`);
    return identity(cidrLabels(hostCidr(address), families));
  };
  return ({ from, to, family, kind, port }) => {
    const what = kind === 'ICMP'
      ? { protocol: family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6, icmpType: ECHO_REQUEST[family] }
      : { protocol: PROTOCOL[kind], port };
    return explain({ repository, from: identityOf(from, family), to: identityOf(to, family), ...what, options });
  };
}

function host(): Identity {
  const found = reservedIdentities(families).find(({ id }) => Number(id) === RESERVED.host);
  if (found === undefined) throw new Error('the identity of the host is missing');
  return found;
}

/** Which rule of which file denies, for people; where none allows, the rules that had the chance. */
export function decisiveRule({ egress, ingress }: Explanation): string {
  const side = egress.verdict === 'denied' ? egress : ingress;
  if (side.deciding !== undefined) return `by ${side.deciding.resource}, ${place(side.deciding)} ${side.deciding.entry}`;
  const allowing = side.candidates.filter(({ rule }) => rule.action === 'allow').map(({ rule }) => place(rule));
  return `none of its ${side.direction} rules allows it: ${[...new Set(allowing)].join(', ')}`;
}

/** `cart.yaml:26`: all files are in one folder. */
function place({ file, line }: RuleReference): string {
  return `${basename(file ?? '')}:${line}`;
}
