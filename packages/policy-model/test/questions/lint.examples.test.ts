import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatFinding, lint, parseIdentities, parsePolicies } from '../../src/index.ts';

const shop = fileURLToPath(new URL('../../../../examples/shop/', import.meta.url));
const read = (file: string): string => readFileSync(`${shop}${file}`, 'utf8');
const policies = readdirSync(shop).filter((file) => file.endsWith('.yaml')).flatMap((file) => parsePolicies(read(file), { file }).resources);

/** Written from the descriptions of well-known recipes; each does what it says. */
const RECIPES: Record<string, string> = {
  'deny all traffic to an application': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web-deny-all }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress, Egress] }`,
  'limit traffic to an application': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: api-allow }
spec:
  podSelector: { matchLabels: { app: bookstore, role: api } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: bookstore } } }] }]`,
  'deny traffic from other namespaces': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny-from-other-namespaces, namespace: secondary }
spec: { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }`,
  'allow all traffic to an application': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web-allow-all }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{}] }`,
  'allow traffic from all namespaces': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web-allow-all-namespaces }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ namespaceSelector: {} }] }] }`,
  'allow traffic from external clients': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web-allow-external }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [] }] }`,
  'allow a port only': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: api-allow-5000 }
spec:
  podSelector: { matchLabels: { app: apiserver } }
  ingress: [{ ports: [{ port: 5000 }], from: [{ podSelector: { matchLabels: { role: monitoring } } }] }]`,
  'deny egress except DNS': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: foo-deny-egress }
spec:
  podSelector: { matchLabels: { app: foo } }
  policyTypes: [Egress]
  egress: [{ ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }] }]`,
  'deny egress to the outside': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: foo-deny-external-egress }
spec:
  podSelector: { matchLabels: { app: foo } }
  policyTypes: [Egress]
  egress: [{ to: [{ namespaceSelector: {} }] }]`,
  'the example of the Kubernetes documentation': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: test-network-policy, namespace: default }
spec:
  podSelector: { matchLabels: { role: db } }
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - ipBlock: { cidr: 172.17.0.0/16, except: [172.17.1.0/24] }
        - namespaceSelector: { matchLabels: { project: myproject } }
        - podSelector: { matchLabels: { role: frontend } }
      ports: [{ protocol: TCP, port: 6379 }]
  egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/24 } }], ports: [{ protocol: TCP, port: 5978 }] }]`,
  'default deny of both directions': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: default-deny-all }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }`,
  'allow all egress': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-all-egress }
spec: { podSelector: {}, egress: [{}], policyTypes: [Egress] }`,
  'ingress to a role from another': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: l3-rule }
spec:
  endpointSelector: { matchLabels: { role: backend } }
  ingress: [{ fromEndpoints: [{ matchLabels: { role: frontend } }] }]`,
  'default deny by an empty rule': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: deny-all-egress }
spec: { endpointSelector: { matchLabels: { role: restricted } }, egress: [{}] }`,
  'a development host may reach everything of its node': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: dev-to-host }
spec: { endpointSelector: { matchLabels: { env: dev } }, egress: [{ toEntities: [host] }] }`,
  'the world may reach what is public': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: from-world-to-role-public }
spec: { endpointSelector: { matchLabels: { role: public } }, ingress: [{ fromEntities: [world] }] }`,
  'prefixes with exceptions': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: cidr-rule }
spec:
  endpointSelector: { matchLabels: { app: myService } }
  egress:
    - toCIDR: [20.1.1.1/32]
    - toCIDRSet: [{ cidr: 10.0.0.0/8, except: [10.96.0.0/12] }]`,
  'a port for egress': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: l4-rule }
spec:
  endpointSelector: { matchLabels: { app: myService } }
  egress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }] }] }]`,
  'lock out the world, allow the rest': `
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: external-lockdown }
spec:
  endpointSelector: {}
  ingressDeny: [{ fromEntities: [world] }]
  ingress: [{ fromEntities: [all] }]`,
  'deny a port of a namespace': `
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: deny-backdoor }
spec:
  endpointSelector: { matchLabels: { role: backend } }
  ingress: [{ fromEntities: [all] }]
  ingressDeny: [{ toPorts: [{ ports: [{ port: "3333", protocol: TCP }] }] }]`,
  'endpoints without an identity may ask for names': `
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: init }
spec:
  endpointSelector: { matchLabels: { "reserved:init": "" } }
  ingress: [{ fromEntities: [host] }]
  egress: [{ toEntities: [all], toPorts: [{ ports: [{ port: "53", protocol: UDP }] }] }]`,
  'DNS for all endpoints of the cluster': `
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: wildcard-from-endpoints }
spec:
  description: Ingress to kube-dns from every endpoint in the cluster
  endpointSelector: { matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system, k8s-app: kube-dns } }
  ingress: [{ fromEndpoints: [{}], toPorts: [{ ports: [{ port: "53", protocol: UDP }] }] }]`,
  'isolate a namespace': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: isolate-ns1, namespace: ns1 }
spec: { endpointSelector: {}, ingress: [{ fromEndpoints: [{}] }] }`,
  'expose across namespaces': `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: k8s-expose-across-namespace, namespace: ns1 }
spec:
  endpointSelector: { matchLabels: { name: leia } }
  ingress: [{ fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": ns2, name: luke } }] }]`,
};

/** Recipes that show something questionable on purpose, or need another policy beside them. */
const QUESTIONABLE: Record<string, string[]> = {
  'The same tiers as ClusterNetworkPolicy': ['shadowed info'],
  'A named port of the pods behind it': ['opens-to-everyone info'],
  'A port closed for everybody, whatever allows it': ['shadowed warning'],
  'Name look-ups for the whole cluster, without default deny': ['allows-what-nothing-denies info'],
  'A broader rule without requests lets all of them pass': ['l7-defeated warning'],
  'All names one level below a domain': ['fqdn-without-dns warning'],
  'A name and only one port of it': ['fqdn-without-dns warning'],
  'A port rule without ports matches nothing, and yet is a rule': ['impossible-ports error'],
  'One policy without default deny does not open what another closes': ['allows-what-nothing-denies info'],
  'A cluster-wide selector of everybody means pods of any namespace, not the world or the nodes': ['opens-to-cluster info'],
  'A denied prefix beats an allowed longer one': ['shadowed warning'],
  'A DNS name selects what it led to in either family, and never a pod': ['fqdn-without-dns warning'],
  'A name may be reached although its prefix is excepted elsewhere': ['fqdn-without-dns warning'],
  'Layer-7 rules without default deny only watch': ['l7-only-observes warning'],
  'A namespaced policy never reaches endpoints without namespace': ['impossible-subject error', 'opens-to-everyone info'],
  'A cluster-wide policy for everything is one for health endpoints, too': ['closes-every-endpoint warning'],
  'An entry of ports that says nothing is every TCP port': ['opens-to-everyone info'],
};
const recipesOf = new URL('../recipes/', import.meta.url);
const OTHERS = readdirSync(recipesOf).flatMap((file) => (parse(readFileSync(new URL(file, recipesOf), 'utf8')) as { recipes: { name: string; policies: string }[] }).recipes);

describe('lint', () => {
  it.each(OTHERS)('says of the recipe "$name" what there is to say', ({ name, policies: text }) => {
    const findings = lint({ resources: parsePolicies(text).resources });
    expect(findings.map(({ code, severity }) => `${code} ${severity}`), findings.map(formatFinding).join('\n')).toEqual(QUESTIONABLE[name] ?? []);
  });

  it('finds nothing in the examples, with and without their endpoints', () => {
    expect(lint({ resources: policies }).map(formatFinding)).toEqual([]);
    const { identities, issues } = parseIdentities(read('scene/pods.yaml'));
    expect(issues).toEqual([]);
    expect(lint({ resources: policies, identities }).map(formatFinding)).toEqual([]);
  });

  it.each(Object.entries(RECIPES))('finds nothing in the recipe: %s', (_name, text) => {
    const { resources, issues } = parsePolicies(text, { file: 'recipe.yaml' });
    expect(issues).toEqual([]);
    expect(lint({ resources }).map(formatFinding)).toEqual([]);
  });
});
