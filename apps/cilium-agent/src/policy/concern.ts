import { selectorMatches } from '@cilium-ts/identity';
import type { Identity, Selector } from '@cilium-ts/identity';
import { readDocuments } from '@cilium-ts/manifest';
import { parsePolicies } from '@cilium-ts/policy-model';

/** Says of an endpoint's identity whether a policy that can not be used may be about it. */
export type Concern = (identity: Identity) => boolean;

/** About everybody: what to assume of a text that says nothing certain. */
export const concernsAll: Concern = () => true;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

const SELECTORS = ['endpointSelector', 'nodeSelector'];
const TIERS: ReadonlySet<unknown> = new Set(['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy', 'ClusterNetworkPolicy']);

/** The same resource with its selectors alone, denying everything: whom that selects, the whole one may be about. */
const skeletons = (document: unknown): Json[] | undefined => {
  if (!isObject(document)) return undefined;
  const { apiVersion, kind, metadata } = document;
  if (!isObject(metadata)) return undefined;
  const { name, namespace } = metadata;
  const base = { apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) } };
  if (kind === 'NetworkPolicy') {
    const { spec } = document;
    return isObject(spec) && isObject(spec['podSelector']) ? [{ ...base, spec: { podSelector: spec['podSelector'], policyTypes: ['Ingress', 'Egress'] } }] : undefined;
  }
  if (TIERS.has(kind)) {
    const { spec } = document;
    if (!isObject(spec) || !isObject(spec['subject'])) return undefined;
    const rule = { action: 'Deny', from: [{ namespaces: {} }] };
    const place = kind === 'BaselineAdminNetworkPolicy' ? {} : { priority: 0 };
    const tier = kind === 'ClusterNetworkPolicy' ? { tier: 'Admin' } : {};
    return [{ ...base, spec: { ...place, ...tier, subject: spec['subject'], ingress: [rule] } }];
  }
  const specs = [...(document['spec'] === undefined ? [] : [document['spec']]), ...(Array.isArray(document['specs']) ? document['specs'] : [])];
  if (specs.length === 0 || !specs.every((spec): spec is Json => isObject(spec) && SELECTORS.some((field) => isObject(spec[field])))) return undefined;
  return specs.map((spec, index) => ({
    ...base,
    metadata: { ...base.metadata, name: `${typeof name === 'string' ? name : ''}-${index}` },
    spec: { ...Object.fromEntries(SELECTORS.filter((field) => field in spec).map((field) => [field, spec[field]])), ingress: [{}], egress: [{}] },
  }));
};

/**
 * Whom a policy text may be about that can not be used as a whole: those that its selectors select, if these at least can
 * be read, by the reader of policies itself; everybody otherwise.
 */
export const concernOf = (text: string): Concern => {
  const { objects, problems } = readDocuments(text);
  if (problems.length > 0) return concernsAll;
  const outlines = objects.map(({ value }) => skeletons(value));
  if (outlines.length === 0 || outlines.some((outline) => outline === undefined)) return concernsAll;
  const { resources, issues } = parsePolicies(outlines.flat().map((outline) => JSON.stringify(outline)).join('\n---\n'));
  if (issues.some(({ severity }) => severity === 'error')) return concernsAll;
  const subjects = resources.flatMap(({ rules }) => rules.map(({ subject }) => subject));
  return ({ labels }) => subjects.some((subject) => meansHost(subject) === labels.has('reserved', 'host') && selectorMatches(subject, labels));
};

/** Only rules that ask for the host are about it. */
const meansHost = ({ requirements }: Selector): boolean => requirements.some(({ source, key, operator }) => source === 'reserved' && key === 'host' && operator !== 'NotIn' && operator !== 'DoesNotExist');
