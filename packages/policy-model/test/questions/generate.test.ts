import { parseCidr } from '@cilium-ts/core';
import { labelSet, numericIdentity } from '@cilium-ts/identity';
import { describe, expect, it } from 'vitest';
import type { GenerateRequest, Generated } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, createPolicyRepository, explain, formatIssue, generate, lint, parseFlows, parseIdentities } from '../../src/index.ts';
import { writeYaml } from '../../src/questions/generate/write-yaml.ts';
import { parseAllDocuments } from 'yaml';

const pod = (app: string, more: Record<string, string> = {}, namespace = 'shop'): unknown => ({ labels: { app, 'pod-template-hash': 'x1', ...more }, namespace });
const flow = (from: unknown, to: unknown, port: number, more: Record<string, unknown> = {}): unknown => ({ from, to, port, ...more });
function make(flows: unknown[], more: Partial<GenerateRequest> = {}): Generated {
  const { flows: records, issues } = parseFlows(JSON.stringify(flows));
  expect(issues).toEqual([]);
  const result = generate({ flows: records, kind: 'cnp', ...more });
  expect(result.issues.map(formatIssue)).toEqual([]);
  return result;
}
const web = pod('web');
const db = pod('db');

describe('generate', () => {
  it('writes a policy for each workload, closed but for what was seen', () => {
    const { yaml, denied, notes } = make([flow(web, db, 5432), flow(web, db, 5432), flow('reserved:host', web, 80)]);
    expect(yaml).toBe(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: db
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: db
  ingress:
    - fromEndpoints:
        - matchLabels:
            app: web
      toPorts:
        - ports:
            - port: "5432"
              protocol: TCP
  egress:
    - {}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: web
  ingress:
    - fromEntities:
        - host
      toPorts:
        - ports:
            - port: "80"
              protocol: TCP
  egress:
    - toEndpoints:
        - matchLabels:
            app: db
      toPorts:
        - ports:
            - port: "5432"
              protocol: TCP
`);
    expect([denied, notes]).toEqual([[], []]);
  });

  it('writes NetworkPolicies', () => {
    const { yaml, denied, notes } = make([flow(web, db, 5432), flow(pod('prometheus', {}, 'monitoring'), web, 9100), flow(web, { ip: '192.0.2.7' }, 443), flow(web, { ip: '192.0.2.7' }, 53, { protocol: 'UDP' })], { kind: 'netpol' });
    expect(yaml).toContain(`  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes:
    - Ingress
    - Egress
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: monitoring
          podSelector:
            matchLabels:
              app: prometheus
      ports:
        - protocol: TCP
          port: 9100
  egress:
    - to:
        - ipBlock:
            cidr: 192.0.2.7/32
      ports:
        - protocol: TCP
          port: 443
        - protocol: UDP
          port: 53
    - to:
        - podSelector:
            matchLabels:
              app: db
      ports:
        - protocol: TCP
          port: 5432
`);
    expect([denied, notes]).toEqual([[], []]);
  });

  it('is the same whatever the order', () => {
    const flows = [flow(web, db, 1), flow(db, web, 2), flow(web, { ip: '192.0.2.1' }, 3), flow(pod('a', { v: '1' }), web, 4), flow(pod('a', { v: '2' }), web, 5)];
    expect(make([...flows].reverse()).yaml).toBe(make(flows).yaml);
  });

  it('drops labels that do not matter, and keeps those that tell endpoints apart', () => {
    const subjects = (...flows: unknown[]): unknown[] =>
      make(flows).resources.map(({ document }) => (document as { spec: { endpointSelector: unknown } }).spec.endpointSelector);
    // Replicas and versions with the same traffic are one workload.
    expect(subjects(flow(pod('web', { 'pod-template-hash': 'a', version: '1' }), db, 1), flow(pod('web', { 'pod-template-hash': 'b', version: '2' }), db, 1))).toEqual([{ matchLabels: { app: 'db' } }, { matchLabels: { app: 'web' } }]);
    // Versions with other traffic are not.
    expect(subjects(flow(pod('web', { version: '1' }), db, 1), flow(pod('web', { version: '2' }), db, 2))).toEqual([
      { matchLabels: { app: 'db' } },
      { matchLabels: { app: 'web', version: '1' } },
      { matchLabels: { app: 'web', version: '2' } },
    ]);
    // A workload with fewer labels than another.
    expect(subjects(flow(pod('web'), db, 1), flow(pod('web', { canary: 'yes' }), db, 2))).toEqual([
      { matchLabels: { app: 'db' } },
      { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'canary', operator: 'DoesNotExist' }] },
      { matchLabels: { canary: 'yes', app: 'web' } },
    ].map((selector) => selector));
    expect(subjects(flow({ labels: { 'app.kubernetes.io/name': 'api', app: 'x' }, namespace: 'shop' }, { ip: '192.0.2.1' }, 1))).toEqual([{ matchLabels: { 'app.kubernetes.io/name': 'api' } }]);
  });

  it('closes known identities without flows, and tells them apart', () => {
    const { identities } = parseIdentities('- { name: a, namespace: shop, labels: { app: web, tier: x } }\n- { name: b, namespace: idle, labels: { app: lazy } }');
    const { resources, yaml } = make([flow(web, db, 1)], { identities });
    expect(resources.map(({ key }) => key)).toEqual(['CiliumNetworkPolicy/idle/default-deny', 'CiliumNetworkPolicy/shop/default-deny', 'CiliumNetworkPolicy/shop/db', 'CiliumNetworkPolicy/shop/web-no-tier']);
    expect(yaml).toContain('- key: tier\n        operator: DoesNotExist');
  });

  it('writes ranges, protocols and ICMP', () => {
    const { yaml, denied, notes } = make([
      ...[8080, 8081, 8082, 90, 91].map((port) => flow(web, db, port)),
      flow(web, db, 5353, { protocol: 'UDP' }),
      flow(web, db, 8, { protocol: 'ICMP' }),
      flow(web, db, 0, { protocol: 47 }),
    ]);
    expect(yaml).toContain(`        - ports:
            - port: "90"
              protocol: TCP
            - port: "91"
              protocol: TCP
            - port: "8080"
              endPort: 8082
              protocol: TCP
            - port: "5353"
              protocol: UDP`);
    expect(yaml).toContain('icmps:\n        - fields:\n            - family: IPv4\n              type: 8');
    expect(notes).toEqual([{ message: 'the protocol 47 cannot be allowed by itself', flows: 0 }]);
    expect(denied.map(({ protocol }) => protocol)).toEqual([47]);
    const many = make(Array.from({ length: 100 }, (_, i) => flow(web, db, 2 * i + 1)));
    expect(many.denied).toEqual([]);
  });

  it('selects addresses outside exactly, by prefixes, or as the world', () => {
    const flows = [flow(web, { ip: '192.0.2.1' }, 443), flow(web, { ip: '192.0.2.9' }, 443), flow(web, { ip: '2001:db8::1' }, 443), flow('reserved:world-ipv4', web, 80)];
    const outside = (world: NonNullable<GenerateRequest['world']>): string[] => make(flows, { world }).yaml.split('\n').filter((line) => /^ {8}- (?:[0-9"]|world)/.test(line)).map((line) => line.trim());
    expect(outside('exact')).toEqual(['- world', '- 192.0.2.1/32', '- 192.0.2.9/32', '- "2001:db8::1/128"']);
    expect(outside([parseCidr('192.0.2.0/24')!, parseCidr('192.0.0.0/16')!])).toEqual(['- world', '- 192.0.2.0/24', '- "2001:db8::1/128"']);
    expect(outside('entity')).toEqual(['- world', '- world']);
  });

  it('names what was found by name, where the workload was seen to ask', () => {
    const dns = pod('dns', {}, 'kube-system');
    const named = flow(web, { ip: '192.0.2.1', names: ['api.example.org'] }, 443);
    const ask = flow(web, dns, 53, { protocol: 'UDP' });
    const { yaml, denied, resources } = make([named, ask]);
    expect(yaml).toContain(`    - toEndpoints:
        - matchLabels:
            k8s:io.kubernetes.pod.namespace: kube-system
            app: dns
      toPorts:
        - ports:
            - port: "53"
              protocol: UDP
          rules:
            dns:
              - matchPattern: "*"
    - toFQDNs:
        - matchName: api.example.org
      toPorts:
        - ports:
            - port: "443"
              protocol: TCP
`);
    expect([denied, lint({ resources })]).toEqual([[], []]);
    const asked = (name: string): unknown => flow(web, dns, 53, { protocol: 'UDP', l7: { dns: { name } } });
    const limited = make([named, asked('api.example.org'), asked('www.example.org.')], { l7: true });
    expect(limited.yaml).toContain('            dns:\n              - matchName: api.example.org\n              - matchName: www.example.org\n');
    expect([limited.denied, lint({ resources: limited.resources })]).toEqual([[], []]);
    expect(make([named]).yaml).toContain('toCIDR:\n        - 192.0.2.1/32');
    expect(make([named, ask], { names: false }).yaml).toContain('toCIDR');
    expect(make([named, ask], { kind: 'netpol' }).yaml).toContain('cidr: 192.0.2.1/32');
  });

  it('limits requests where asked to', () => {
    const get = (path: string, method = 'GET'): unknown => flow(web, db, 80, { l7: { http: { method, path } } });
    const flows = [flow(web, db, 80), get('/a.b/(1)'), get('/a.b/(1)?x=1'), get('/c', 'POST'), flow(web, db, 81)];
    const { yaml, denied, resources } = make(flows, { l7: true });
    expect(yaml).toContain(String.raw`          rules:
            http:
              - method: GET
                path: "/a\\.b/\\(1\\)([?].*)?"
              - method: POST
                path: "/c"
`);
    expect(yaml.match(/http:/g)).toHaveLength(1);
    expect([denied, lint({ resources })]).toEqual([[], []]);
    const repository = createPolicyRepository();
    repository.replaceAll(resources);
    const { flows: [first] } = parseFlows(JSON.stringify(get('/a.b/(1)')));
    const ask = (method: string, path: string): string =>
      explain({ repository, from: { id: numericIdentity(300), labels: first!.from.labels! }, to: { id: numericIdentity(301), labels: first!.to.labels! }, protocol: 6, port: 80, l7: { http: { method, path } }, options: DEFAULT_POLICY_OPTIONS }).verdict;
    expect(['/a.b/(1)', '/a.b/(1)?y', '/axb/(1)', '/c', '/a.b/(1)/d'].map((path) => ask('GET', path))).toEqual(['allowed', 'allowed', 'denied', 'denied', 'denied']);
    expect([ask('POST', '/c'), ask('POST', '/c?a')]).toEqual(['allowed', 'denied']);
    expect(make(flows).yaml).not.toContain('http');
  });

  it('leaves out what was denied, and says what cannot be written', () => {
    const denied = flow(web, db, 1, { verdict: 'denied' });
    expect(make([denied]).yaml).toBe('');
    expect(make([denied], { includeDenied: true }).resources).toHaveLength(2);
    expect(make([flow('reserved:host', { ip: '192.0.2.1' }, 1)]).notes).toEqual([{ message: 'neither end is a workload in a namespace', flows: 1, at: { line: 1 } }]);
    expect(make([flow(web, { identity: 4711 }, 1)]).notes).toMatchObject([{ message: 'nothing is known of identity 4711' }]);
    const { flows } = parseFlows(JSON.stringify(flow('reserved:host', web, 1)));
    const unplaced = flows.map((one) => ({ ...one, to: { ...one.to, labels: labelSet(['k8s:app=x', 'k8s:io.kubernetes.pod.namespace=shop']) } }));
    expect(generate({ flows: unplaced, kind: 'cnp' }).notes).toMatchObject([{ message: 'an end has no label io.cilium.k8s.policy.cluster, which peers are selected by', flows: 1 }]);
    expect(make([flow('reserved:health', web, 1)], { kind: 'netpol' }).notes).toMatchObject([{ message: 'a NetworkPolicy cannot name the entity health as a peer' }]);
  });

  it('finds identities by number and address', () => {
    const { identities } = parseIdentities('- { id: 300, namespace: shop, labels: { app: api }, addresses: [10.0.0.5] }');
    const { resources } = make([flow(web, { identity: 300 }, 1), flow(web, { ip: '10.0.0.5' }, 2)], { identities });
    expect(resources.map(({ name }) => name)).toEqual(['api', 'web']);
  });

  it('passes lint', () => {
    const { resources } = make([flow(web, db, 5432), flow('reserved:host', web, 80), flow(web, { ip: '192.0.2.1' }, 443)]);
    expect(lint({ resources })).toEqual([]);
  });
});

describe('writeYaml', () => {
  it('writes what is read back', () => {
    const value = { a: ['x', 'yes', '1', '', '-', 'a: b', 'a#b', 'é', '*', 'null', '10.0.0.1/32', '\n"'], 'k:v': {}, e: [], n: { l: [{ a: 1, b: [true, { c: 'd' }] }, [1, [2]]] }, 'true': 'k8s:app', '0': '::1' };
    const [document] = parseAllDocuments(writeYaml(value));
    expect((document as { toJS(): unknown }).toJS()).toEqual(value);
  });
});
