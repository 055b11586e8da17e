import { labelSet, numericIdentity } from '@cilium-ts/identity';
import { describe, expect, it } from 'vitest';
import { concernOf } from '../../src/policy/concern.ts';

const identity = (...labels: string[]) => ({ id: numericIdentity(300), labels: labelSet([...labels, 'k8s:io.kubernetes.pod.namespace=default', 'k8s:io.cilium.k8s.policy.cluster=default']) });
const [web, db] = [identity('k8s:app=web'), identity('k8s:app=db')];
const concerned = (text: string) => {
  const concern = concernOf(text);
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
    ['an AdminNetworkPolicy that can not be used', 'apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: x}\nspec: {priority: 5000, subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}}', [false, true]],
    ['an AdminNetworkPolicy for other namespaces', 'apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: x}\nspec: {priority: 5000, subject: {namespaces: {matchLabels: {team: none}}}}', [false, false]],
    ['a BaselineAdminNetworkPolicy', 'apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\nspec: {subject: {namespaces: {}}, egress: 7}', [true, true]],
    ['a ClusterNetworkPolicy', 'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: x}\nspec: {tier: Top, subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}}', [true, false]],
    ['a subject that can not be read', 'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: x}\nspec: {subject: {everybody: {}}}', [true, true]],
    ['a policy for nodes: no pod', 'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: x}\nspec: {nodeSelector: {}, ingress: [{}]}', [false, false]],
    ['pods and nodes at once', 'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: x}\nspec: {nodeSelector: {}, endpointSelector: {}, ingress: [{}]}', [true, true]],
    ['a group of prefixes, which any policy may refer to', 'apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: x}\nspec: {externalCIDRs: [nonsense]}', [true, true]],
    ['text that is no YAML', 'kind: [oops', [true, true]],
    ['no selector', `${header}spec: {ingress: [{}]}`, [true, true]],
    ['a selector that can not be read', `${header}spec: {endpointSelector: {matchLabels: 5}}`, [true, true]],
    ['a kind nobody knows', 'apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n', [true, true]],
    ['nothing', '', [true, true]],
    ['an empty List', 'apiVersion: v1\nkind: List\nitems: []\n', [true, true]],
    ['a List within a List', `apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: [{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: y}, spec: {endpointSelector: {matchLabels: {app: db}}, bad: 1}}]}]`, [true, true]],
    ['a selector that parsers of YAML read differently', `${header}spec: {endpointSelector: {matchLabels: {app: web, ? [x] : y}}}`, [true, true]],
    ['two selectors of one name', `${header}spec: {endpointSelector: {matchLabels: {app: web}}, endpointSelector: {matchLabels: {app: db}}}`, [true, true]],
    ['one document that is no YAML', `${header}spec: {endpointSelector: {matchLabels: {app: web}}, bad: 1}\n---\nkind: [oops\n`, [true, true]],
    ['a selector by merge key', `${header}spec: {endpointSelector: {matchLabels: &a {app: web}}, ingress: [{bad: 1}], labels: *a}\n---\n${header.replace('x}', 'y}')}spec: {endpointSelector: {matchLabels: {<<: {app: web}}}, bad: 1}`, [true, false]],
  ])('%s', (_, text, expected) => { expect(concerned(text)).toEqual(expected); });
});
