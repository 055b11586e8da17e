import { formatLabel, labelSet, parseLabel, workloadLabels } from '@cilium-ts/identity';
import type { Label, LabelFilter, LabelSet } from '@cilium-ts/identity';
import { AgentError } from '../error.ts';

/** Label that every endpoint has: the namespace that namespaced policies look for. */
const NAMESPACE = 'io.kubernetes.pod.namespace';
/** Namespace of endpoints and of policies that name none. */
export const DEFAULT_NAMESPACE = 'default';

/** An endpoint's labels, and which of them make its identity. */
export interface EndpointLabels {
  /** As given. */
  readonly user: readonly string[];
  /** Added by the agent: namespace, namespace name and cluster. */
  readonly derived: readonly string[];
  /** What the identity is made from. */
  readonly relevant: LabelSet;
  /** Given, but not part of the identity. */
  readonly disabled: readonly string[];
  readonly namespace: string;
}

const parseUser = (text: string): Label => {
  let label: Label;
  try {
    label = parseLabel(text);
  } catch (cause) {
    throw new AgentError('invalid', `read label ${JSON.stringify(text)}: ${(cause as Error).message}`, { cause });
  }
  if (label.key === '') throw new AgentError('invalid', `read label ${JSON.stringify(text)}: it has no key; labels look like app=web or k8s:app=web`);
  if (label.source === 'reserved' || label.source.startsWith('cidr') || label.source === 'fqdn') {
    throw new AgentError('invalid', `read label ${JSON.stringify(text)}: labels of source ${label.source} are given by the agent only`);
  }
  // Without Kubernetes, people who write app=web mean what a policy's matchLabels mean.
  return label.source === 'unspec' ? { ...label, source: 'k8s' } : label;
};

const checkKeys = (labels: readonly Label[]): void => {
  const seen = new Map<string, Label>();
  for (const label of labels) {
    const before = seen.get(label.key);
    if (before && (before.value !== label.value || before.source !== label.source)) {
      throw new AgentError('invalid', `read labels: the key ${label.key} is given twice (${before.source}:${before.key}=${before.value} and ${label.source}:${label.key}=${label.value})`);
    }
    seen.set(label.key, label);
  }
};

/**
 * Works out an endpoint's labels. Those without a source count as `k8s`. Without any label the endpoint is
 * `reserved:init`: its labels are not known yet, and it is enforced in both directions. Throws AgentError `invalid`.
 */
export const endpointLabels = (user: readonly string[], options: { readonly namespace: string | undefined; readonly clusterName: string; readonly filter: LabelFilter }): EndpointLabels => {
  const given = user.map(parseUser);
  checkKeys(given);
  const stated = given.find(({ key }) => key === NAMESPACE)?.value;
  if (stated !== undefined && options.namespace !== undefined && stated !== options.namespace) {
    throw new AgentError('invalid', `read labels: ${NAMESPACE}=${stated} contradicts the endpoint's namespace ${options.namespace}`);
  }
  const namespace = options.namespace ?? stated ?? DEFAULT_NAMESPACE;
  if (given.length === 0) return { user: [], derived: ['reserved:init'], relevant: labelSet(['reserved:init']), disabled: [], namespace };
  const own = labelSet(given);
  const all = workloadLabels(given.map(formatLabel), { namespace, clusterName: options.clusterName });
  const relevant = options.filter(all);
  const [userTexts, relevantTexts] = [own.toStrings(), new Set(relevant.toStrings())];
  return { user: userTexts, derived: all.toStrings().filter((text) => !userTexts.includes(text)), relevant, disabled: all.toStrings().filter((text) => !relevantTexts.has(text)), namespace };
};
