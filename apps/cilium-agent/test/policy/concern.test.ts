import { labelSet, numericIdentity } from '@cilium-ts/identity';
import { describe, expect, it } from 'vitest';
import { concernOf } from '../../src/policy/concern.ts';

const identity = (...labels: string[]) => ({ id: numericIdentity(300), labels: labelSet([...labels, 'k8s:io.kubernetes.pod.namespace=default', 'k8s:io.cilium.k8s.policy.cluster=default']) });
const [web, db] = [identity('k8s:app=web'), identity('k8s:app=db')];
const concerned = (text: string) => {
  const concern = concernOf(text, { clusterName: 'default', defaultLocalCluster: true });
  return [concern(web), concern(db)];
};
const header = 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x}\n';

describe('concernOf', () => {
  it.each([
    ['a rule that can not be enforced: those its selector selects', `${header}spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{toFQDNs: [{matchName: a.b}]}]}`, [true, false]],
    ['several specs', `${header}specs: [{endpointSelector: {matchLabels: {app: web}}, bad: 1}, {endpointSelector: {matchLabels: {app: db}}}]`, [true, true]],
    ['another namespace', `${header.replace('{name: x}', '{name: x, namespace: other}')}spec: {endpointSelector: {}, bad: 1}`, [false, false]],
    ['a NetworkPolicy', 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\nspec: {podSelector: {matchLabels: {app: db}}, ingress: 5}', [false, true]],
    ['two documents, one of them good', `${header}spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{}]}\n---\n${header}spec: {endpointSelector: {matchLabels: {app: web}}, ingress: 7}`, [true, true]],
    ['a List', `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: y}, spec: {endpointSelector: {matchLabels: {app: db}}, nonsense: 1}}`, [false, true]],
    ['text that is no YAML', 'kind: [oops', [true, true]],
    ['no selector', `${header}spec: {ingress: [{}]}`, [true, true]],
    ['a selector that can not be read', `${header}spec: {endpointSelector: {matchLabels: 5}}`, [true, true]],
    ['a kind nobody knows', 'apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n', [true, true]],
    ['nothing', '', [true, true]],
  ])('%s', (_, text, expected) => { expect(concerned(text)).toEqual(expected); });
});
