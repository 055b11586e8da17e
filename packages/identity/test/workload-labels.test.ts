import { expect, test } from 'vitest';
import { workloadLabels } from '../src/index.ts';

const added = (namespace: string) => [
  'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=' + namespace,
  'k8s:io.cilium.k8s.policy.cluster=default',
  'k8s:io.kubernetes.pod.namespace=' + namespace,
];

test.each([
  ['a label without a source is a k8s one', ['app=web'], 'shop', ['k8s:app=web', ...added('shop')]],
  ['a source is kept', ['container:app=web'], 'shop', ['container:app=web', ...added('shop')]],
  ['without a namespace it is in default', [], undefined, added('default')],
  ['a namespace given as label wins', ['k8s:io.kubernetes.pod.namespace=other'], 'shop', added('other')],
  ['reserved labels stand alone', ['reserved:init'], 'shop', ['reserved:init']],
])('%s', (_, given, namespace, expected) => {
  expect(workloadLabels(given, { namespace, clusterName: 'default' }).toStrings().sort()).toEqual([...expected].sort());
});
