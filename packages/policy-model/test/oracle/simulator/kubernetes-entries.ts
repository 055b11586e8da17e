import { anyHeld, blocksMean } from './address.ts';
import type { Context, Entry, Side, Unchecked } from './entry.ts';
import { NUMBERS, portMatches } from './ports.ts';
import { NAMESPACE, NAMESPACE_LABELS, clusterTerm, equals, exists, matchesAll, termsOf } from './selectors.ts';
import type { Json, Party, SimPacket } from './tables.ts';

/** The entries of a Kubernetes NetworkPolicy, as Cilium reads it. */
export function* networkPolicyEntries(document: Json, context: Context): Iterable<Entry> {
  const { metadata, spec } = document;
  const namespace: string = metadata.namespace ?? 'default';
  const types: string[] = spec.policyTypes ?? [];
  for (const [side, field] of [['ingress', 'from'], ['egress', 'to']] as const) {
    // By their own words policies have no rules in directions that they do not list.
    const unlisted = types.length > 0 && !types.includes(side === 'ingress' ? 'Ingress' : 'Egress');
    const entries: Json[] = unlisted && context.options.strictNetworkPolicy === true ? [] : (spec[side] ?? []);
    const base = {
      side: side as Side,
      tier: 'normal' as const,
      order: { priority: 0, key: '', index: 0 },
      action: 'allow' as const,
      defaultDeny: true,
      proxied: false,
      selects: (subject: Party) => matchesAll(podTerms(spec.podSelector, namespace), subject, context.options),
    };
    for (const [index, entry] of entries.entries()) {
      const peers: Json[] = entry[field] ?? [];
      yield {
        ...base,
        where: `NetworkPolicy/${namespace}/${metadata.name} spec.${side}[${index}]`,
        matchesPeer: (peer) => peers.length === 0 || peers.some((one) => peerMatches(one, namespace, peer, context)) || insideBlocks(peers, peer, context),
        matchesPort: (packet, receiver) => ((entry.ports ?? []).length === 0 ? ['ports'] : entry.ports.filter((port: Json) => portIs(port, packet, receiver)).map(unchecked)),
      };
    }
    const affected = side === 'egress' ? types.includes('Egress') : types.includes('Ingress') || !types.includes('Egress');
    if (entries.length === 0 && affected) {
      yield { ...base, where: `NetworkPolicy/${namespace}/${metadata.name} ${side}`, matchesPeer: () => false, matchesPort: () => [] };
    }
  }
}

const unchecked = ({ port, endPort = port }: Json): Unchecked => (port !== undefined && endPort === port ? 'the port' : 'ports');

/** Pods of the namespace; what the selector says itself about the namespace is replaced. */
function podTerms(spec: Json, namespace: string) {
  const { [NAMESPACE]: _replaced, ...matchLabels } = spec?.matchLabels ?? {};
  return [...termsOf({ ...spec, matchLabels }, 'kubernetes'), equals('k8s', NAMESPACE, namespace)];
}

function peerMatches({ podSelector, namespaceSelector, ipBlock }: Json, namespace: string, peer: Party, { options }: Context): boolean {
  if (ipBlock !== undefined) return peer.where === 'outside' && anyHeld([ipBlock.cidr], ipBlock.except ?? [], peer.addresses);
  if (namespaceSelector === undefined) {
    const terms = podTerms(podSelector, namespace);
    return matchesAll([...terms, ...clusterTerm(terms, options)], peer, options);
  }
  const pods = termsOf(podSelector, 'kubernetes');
  // Only pods are in namespaces: nobody else is selected by what their namespace is not.
  const namespaces = [...termsOf(namespaceSelector, 'kubernetes', NAMESPACE_LABELS), exists('k8s', NAMESPACE)];
  return matchesAll([...pods, ...namespaces, ...clusterTerm(pods, options)], peer, options);
}

/** Whether the blocks mean somebody inside of the cluster. */
function insideBlocks(peers: readonly Json[], { where, addresses }: Party, { options }: Context): boolean {
  const blocks = peers.map(({ ipBlock }) => ipBlock).filter((block) => block !== undefined);
  return options.strictNetworkPolicy === true && where === 'inside' && blocksMean(blocks, false, addresses);
}

function portIs({ protocol = 'TCP', port, endPort }: Json, packet: SimPacket, receiver: Party): boolean {
  return portMatches({ protocols: [NUMBERS[protocol]!], port, endPort }, packet, receiver);
}
