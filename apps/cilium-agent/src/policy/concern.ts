import type { Identity } from '@cilium-ts/identity';
import { compilePolicy, createPolicyRepository, DEFAULT_POLICY_OPTIONS, parsePolicies } from '@cilium-ts/policy-model';
import type { PolicyOptions } from '@cilium-ts/policy-model';
import { parseAllDocuments } from 'yaml';

/** Says of an endpoint's identity whether a policy that can not be used may be about it. */
export type Concern = (identity: Identity) => boolean;

/** About everybody: what to assume of a text that says nothing certain. */
export const concernsAll: Concern = () => true;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same resource with its selectors alone, denying everything: whom that selects, the whole one may be about. */
const skeletons = (document: unknown): Json[] | undefined => {
  if (!isObject(document)) return undefined;
  const { apiVersion, kind, metadata } = document;
  if (Array.isArray(document['items'])) {
    const inner = document['items'].map(skeletons);
    return inner.every((item) => item !== undefined) ? inner.flat() : undefined;
  }
  if (!isObject(metadata)) return undefined;
  const { name, namespace } = metadata;
  const base = { apiVersion, kind, metadata: { name, ...(namespace !== undefined && { namespace }) } };
  if (kind === 'NetworkPolicy') {
    const { spec } = document;
    return isObject(spec) && isObject(spec['podSelector']) ? [{ ...base, spec: { podSelector: spec['podSelector'], policyTypes: ['Ingress', 'Egress'] } }] : undefined;
  }
  const specs = [...(document['spec'] === undefined ? [] : [document['spec']]), ...(Array.isArray(document['specs']) ? document['specs'] : [])];
  if (specs.length === 0 || !specs.every((spec): spec is Json => isObject(spec) && isObject(spec['endpointSelector']))) return undefined;
  return specs.map((spec, index) => ({
    ...base,
    metadata: { ...base.metadata, name: `${typeof name === 'string' ? name : ''}-${index}` },
    spec: { endpointSelector: spec['endpointSelector'], ingress: [{}], egress: [{}] },
  }));
};

/**
 * Whom a policy text may be about that can not be used as a whole: those that its selectors select, if these at least can
 * be read; everybody otherwise.
 */
export const concernOf = (text: string, options: Pick<PolicyOptions, 'clusterName' | 'defaultLocalCluster'>): Concern => {
  let documents: unknown[];
  try {
    const parsed = parseAllDocuments(text, { logLevel: 'silent' });
    if (!Array.isArray(parsed) || parsed.length === 0 || parsed.some(({ errors }) => errors.length > 0)) return concernsAll;
    documents = parsed.map((document) => document.toJS() as unknown).filter((value) => value !== null && value !== undefined);
  } catch {
    return concernsAll;
  }
  const outlines = documents.map(skeletons);
  if (outlines.length === 0 || outlines.some((outline) => outline === undefined)) return concernsAll;
  const { resources, issues } = parsePolicies(outlines.flat().map((outline) => JSON.stringify(outline)).join('\n---\n'));
  if (issues.some(({ severity }) => severity === 'error')) return concernsAll;
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  return (subject) => {
    const { ingress, egress } = compilePolicy({ repository, subject, identities: [], options: { ...DEFAULT_POLICY_OPTIONS, ...options, enforcement: 'default' } });
    return ingress.enforced || egress.enforced;
  };
};
