import { familyOf } from './address.ts';
import type { Json, Party, SimOptions } from './tables.ts';

export const NAMESPACE = 'io.kubernetes.pod.namespace';
export const NAMESPACE_LABELS = 'io.cilium.k8s.namespace.labels.';
export const CLUSTER = 'io.cilium.k8s.policy.cluster';

/** One condition on labels; `any` as source is met by every source. */
export interface Term {
  readonly source: string;
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

type Labels = ReadonlyMap<string, { source: string; value: string }>;
/** By the families in use. */
const remembered = new WeakMap<Party, Map<string, Labels>>();

/** Labels as a map by key. */
export function labelsOf(party: Party, options: Pick<SimOptions, 'ipv4' | 'ipv6'>): Labels {
  let known = remembered.get(party);
  if (known === undefined) remembered.set(party, (known = new Map()));
  const families = `${options.ipv4} ${options.ipv6}`;
  let labels = known.get(families);
  if (labels === undefined) known.set(families, (labels = readLabels(party, options)));
  return labels;
}

function readLabels(party: Party, options: Pick<SimOptions, 'ipv4' | 'ipv6'>): Labels {
  const labels = new Map<string, { source: string; value: string }>();
  const texts = party.where === 'inside' ? party.labels : [...party.labels, ...worldLabels(party, options)];
  for (const text of texts) {
    const colon = text.indexOf(':');
    const equals = text.indexOf('=', colon);
    const key = text.slice(colon + 1, equals < 0 ? undefined : equals);
    labels.set(key, { source: text.slice(0, colon), value: equals < 0 ? '' : text.slice(equals + 1) });
  }
  return labels;
}

function worldLabels({ addresses }: Party, { ipv4, ipv6 }: Pick<SimOptions, 'ipv4' | 'ipv6'>): string[] {
  return addresses.map((address) => {
    const both = familyOf(address) === 4 ? ipv6 : ipv4;
    return both ? `reserved:world-ipv${familyOf(address)}` : 'reserved:world';
  });
}

export function has(party: Party, source: string, key: string, options: Pick<SimOptions, 'ipv4' | 'ipv6'>): boolean {
  return labelsOf(party, options).get(key)?.source === source;
}

export function matchesAll(terms: readonly Term[], party: Party, options: Pick<SimOptions, 'ipv4' | 'ipv6'>): boolean {
  const labels = labelsOf(party, options);
  return terms.every(({ source, key, operator, values }) => {
    const label = labels.get(key);
    const value = label !== undefined && (source === 'any' || source === label.source) ? label.value : undefined;
    if (operator === 'Exists') return value !== undefined;
    if (operator === 'DoesNotExist') return value === undefined;
    const listed = value !== undefined && values.includes(value);
    return operator === 'In' ? listed : !listed;
  });
}

/** The terms of a label selector; in Cilium's resources a key may name its source, in Kubernetes' ones it is `k8s`. */
export function termsOf(spec: Json, style: 'cilium' | 'kubernetes', prefix = ''): Term[] {
  const split = (key: string): { source: string; key: string } => {
    const colon = style === 'cilium' ? key.indexOf(':') : -1;
    if (colon < 0) return { source: style === 'cilium' ? 'any' : 'k8s', key: prefix + key };
    return { source: key.slice(0, colon) || 'any', key: prefix + key.slice(colon + 1) };
  };
  return [
    ...Object.entries<string>(spec?.matchLabels ?? {}).map(([key, value]): Term => ({ ...split(key), operator: 'In', values: [value] })),
    ...(spec?.matchExpressions ?? []).map((expression: Json): Term => ({ ...split(expression.key), operator: expression.operator, values: expression.values ?? [] })),
  ];
}

export const equals = (source: string, key: string, value: string): Term => ({ source, key, operator: 'In', values: [value] });
export const exists = (source: string, key: string): Term => ({ source, key, operator: 'Exists', values: [] });

/** Whether the terms speak of a Kubernetes label. */
export function mentions(terms: readonly Term[], test: (key: string) => boolean): boolean {
  return terms.some(({ source, key }) => (source === 'k8s' || source === 'any') && test(key));
}

/** The term that keeps peers to the local cluster, where it is asked for and nothing else is said about clusters. */
export function clusterTerm(terms: readonly Term[], options: SimOptions): Term[] {
  return options.defaultLocalCluster && !mentions(terms, (key) => key === CLUSTER) ? [equals('k8s', CLUSTER, options.clusterName)] : [];
}
