import fc from 'fast-check';
import { APPS, object } from './pools.ts';

const value = fc.constantFrom(...APPS, 'front', '');

function selector(prefixes: readonly string[], names: readonly string[], special: fc.Arbitrary<Record<string, string>>): fc.Arbitrary<Record<string, unknown>> {
  const key = fc.tuple(fc.constantFrom(...prefixes), fc.constantFrom(...names)).map(([prefix, name]) => prefix + name);
  const expression = fc.oneof(
    fc.record({ key, operator: fc.constantFrom('In', 'NotIn'), values: fc.array(value, { minLength: 1, maxLength: 2 }) }, { noNullPrototype: true }),
    fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }, { noNullPrototype: true }),
  );
  const labels = fc
    .tuple(fc.dictionary(key, value, { maxKeys: 1, noNullPrototype: true }), fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: special }))
    .map(([own, more]) => ({ ...own, ...more }));
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.constantFrom(...APPS).map((app) => ({ matchLabels: { [`${prefixes[0]!}app`]: app } })) },
    { weight: 2, arbitrary: object({ matchLabels: labels, matchExpressions: fc.array(expression, { maxLength: 2 }) }) },
  );
}

const special = fc.constantFrom<Record<string, string>>(
  { 'k8s:io.kubernetes.pod.namespace': 'bank' },
  { 'io.kubernetes.pod.namespace': 'shop' },
  { 'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'bank' },
  { 'k8s:io.cilium.k8s.namespace.labels.team': 'red' },
  { 'io.cilium.k8s.policy.cluster': 'other' },
  { 'reserved:host': '' },
  { 'reserved:world-ipv4': '' },
  { 'reserved:init': '' },
  { 'reserved:remote-node': '' },
);

/** A selector of Cilium's resources, whose keys may have a source. */
export const ciliumSelector = selector(['', 'k8s:', 'any:'], ['app', 'tier'], special);
/** A selector of pods in Kubernetes' resources. */
export const podSelector = selector([''], ['app', 'tier'], fc.constantFrom<Record<string, string>>({ 'io.kubernetes.pod.namespace': 'bank' }, { 'io.cilium.k8s.policy.cluster': 'other' }));
/** A selector of namespaces by their labels. */
export const namespaceSelector = fc.oneof(
  fc.constantFrom<Record<string, unknown>>(
    {},
    { matchLabels: { 'kubernetes.io/metadata.name': 'bank' } },
    { matchLabels: { team: 'red' } },
    { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['shop'] }] },
    { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] },
    { matchExpressions: [{ key: 'team', operator: 'Exists' }] },
  ),
);
/** A selector of nodes. */
export const nodeSelector = fc.constantFrom<Record<string, unknown>>({}, { matchLabels: { role: 'edge' } }, { matchExpressions: [{ key: 'role', operator: 'DoesNotExist' }] });
