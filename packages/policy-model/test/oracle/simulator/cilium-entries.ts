import { ciliumPeerMatches } from './cilium-peers.ts';
import type { Context, Entry, ProxyAsk, Unchecked } from './entry.ts';
import { proxyAsk } from './layer7.ts';
import { ciliumPortMatches, icmpMatches } from './ports.ts';
import { NAMESPACE, equals, has, matchesAll, termsOf } from './selectors.ts';
import type { Json, Party, SimPacket } from './tables.ts';

const SECTIONS = [
  ['ingress', 'ingress', 'allow'],
  ['ingressDeny', 'ingress', 'deny'],
  ['egress', 'egress', 'allow'],
  ['egressDeny', 'egress', 'deny'],
] as const;

/** The entries of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy. */
export function* ciliumEntries(document: Json, context: Context): Iterable<Entry> {
  const namespace: string | undefined = document.kind === 'CiliumNetworkPolicy' ? (document.metadata.namespace ?? 'default') : undefined;
  const specs: [string, Json][] = [
    ...(document.spec === undefined ? [] : [['spec', document.spec] as [string, Json]]),
    ...(document.specs ?? []).map((spec: Json, index: number): [string, Json] => [`specs[${index}]`, spec]),
  ];
  for (const [path, spec] of specs) {
    const selectsInit = 'reserved:init' in (spec.endpointSelector?.matchLabels ?? {}) || (spec.endpointSelector?.matchExpressions ?? []).some(({ key }: Json) => key === 'reserved:init');
    for (const [section, side, action] of SECTIONS) {
      for (const [index, entry] of (spec[section] ?? []).entries()) {
        yield {
          where: `${document.kind}/${namespace ?? ''}/${document.metadata.name} ${path}.${section}[${index}]`,
          side,
          tier: 'normal',
          order: { priority: 0, key: '', index: 0 },
          action,
          defaultDeny: spec.enableDefaultDeny?.[side] ?? true,
          proxied: (entry.toPorts ?? []).some((rule: Json) => proxyAsk(rule) !== undefined),
          selects: (subject) => selects(spec, namespace, subject, context),
          matchesPeer: (peer) => ciliumPeerMatches(entry, { side, namespace, selectsInit }, peer, context),
          matchesPort: (packet, receiver) => portRules(entry, packet, receiver),
        };
      }
    }
  }
}

/** Nodes are selected by nodeSelector alone, everybody else by endpointSelector alone, in the policy's own namespace. */
function selects(spec: Json, namespace: string | undefined, subject: Party, { options }: Context): boolean {
  const isHost = has(subject, 'reserved', 'host', options);
  if (spec.nodeSelector !== undefined) return isHost && matchesAll(termsOf(spec.nodeSelector, 'cilium'), subject, options);
  if (isHost) return false;
  if (namespace === undefined) return matchesAll(termsOf(spec.endpointSelector, 'cilium'), subject, options);
  const { [`k8s:${NAMESPACE}`]: _replaced, ...matchLabels } = spec.endpointSelector.matchLabels ?? {};
  const terms = termsOf({ ...spec.endpointSelector, matchLabels }, 'cilium');
  return matchesAll([...terms, equals('k8s', NAMESPACE, namespace)], subject, options);
}

function portRules({ toPorts = [], icmps = [] }: Json, packet: SimPacket, receiver: Party): (ProxyAsk | Unchecked)[] {
  if (toPorts.length === 0 && icmps.length === 0) return ['ports'];
  const ports = toPorts.flatMap((rule: Json): (ProxyAsk | Unchecked)[] =>
    (rule.ports ?? []).filter((port: Json) => ciliumPortMatches(port, packet, receiver)).map((port: Json) => proxyAsk(rule) ?? (isOnePort(port) ? 'the port' : 'ports')),
  );
  const types = icmps.filter(({ fields = [] }: Json) => fields.some((field: Json) => icmpMatches(field, packet)));
  return [...ports, ...types.map(() => 'the port')];
}

/** Whether it is a number or a name rather than a range or all ports. */
function isOnePort({ port = '', endPort = 0 }: Json): boolean {
  return port !== '' && port !== '0' && (Number.isNaN(Number(port)) || endPort === 0 || endPort === Number(port));
}
