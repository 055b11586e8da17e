import { describe, expect, test } from 'vitest';
import type { PolicyResource, Rule } from '../../src/index.ts';
import { parsePolicies, providerGroupKey } from '../../src/index.ts';

/** The resources of a good text. */
function read(text: string): readonly PolicyResource[] {
  const { resources, issues } = parsePolicies(text);
  expect(issues.filter(({ severity }) => severity === 'error')).toEqual([]);
  return resources;
}

/** The rules without their places. */
function rules(text: string): unknown[] {
  const bare = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(bare);
    if (typeof value !== 'object' || value === null) return value;
    if ('text' in value && 'requirements' in value) return value.text;
    if ('text' in value && 'family' in value) return value.text;
    return Object.fromEntries(Object.entries(value).filter(([name]) => name !== 'at' && name !== 'resource').map(([name, content]) => [name, bare(content)]));
  };
  return read(text).flatMap((resource) => resource.rules.map(bare));
}

const head = (kind: string): string => `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: { name: web, namespace: shop }\nspec:\n  endpointSelector: {}\n`;
const cnp = (spec: string): string => `${head('CiliumNetworkPolicy')}  ${spec}\n`;
const ccnp = (spec: string): string => cnp(spec).replace('CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy').replace(', namespace: shop', '');

/** The peers of the only rule. */
const peers = (text: string): unknown => (rules(text)[0] as { peers: { peers: unknown } }).peers.peers;
/** Ports of the only rule. */
const ports = (text: string): unknown => (rules(text)[0] as { ports: { ports: unknown } }).ports.ports;
const term = (source: string, key: string, operator = 'Exists', values: string[] = []) => ({ source, key, operator, values });

describe('peers', () => {
  test('nodes are other nodes, by labels', () => {
    expect(peers(ccnp('ingress: [{ fromNodes: [{ matchLabels: { "node:zone": a } }, {}] }]'))).toEqual([
      { kind: 'labels', requirements: [term('node', 'zone', 'In', ['a']), term('reserved', 'remote-node')], localClusterByDefault: true, nodes: true },
      { kind: 'labels', requirements: [term('reserved', 'remote-node')], localClusterByDefault: true, nodes: true },
    ]);
    expect(peers(ccnp('ingress: [{ fromNodes: [{ matchLabels: { io.cilium.k8s.policy.cluster: b } }] }]'))).toMatchObject([{ localClusterByDefault: false }]);
  });

  test('groups of prefixes, by name and by labels of any source', () => {
    expect(peers(cnp('egress: [{ toCIDRSet: [{ cidrGroupRef: a.b, except: [10.0.0.0/8] }, { cidrGroupSelector: { matchLabels: { env: x, "k8s:team": y } } }, { cidrGroupSelector: {} }] }]'))).toEqual([
      { kind: 'cidr-group', group: { name: 'a.b' }, except: ['10.0.0.0/8'] },
      { kind: 'cidr-group', group: { selector: 'any:env=x,any:team=y' }, except: [] },
      { kind: 'cidr-group', group: { selector: '<all>' }, except: [] },
    ]);
  });

  test('services by name, by labels, in a namespace or in all', () => {
    expect(peers(cnp('egress: [{ toServices: [{ k8sService: { serviceName: a, namespace: b } }, { k8sService: { serviceName: a } }, { k8sServiceSelector: { selector: { matchLabels: { x: y } }, namespace: b } }, { k8sServiceSelector: { selector: {} } }] }]'))).toEqual([
      { kind: 'service', service: { name: 'a', namespace: 'b' } },
      { kind: 'service', service: { name: 'a' } },
      { kind: 'service', service: { selector: 'any:x=y', namespace: 'b' } },
      { kind: 'service', service: { selector: '<all>' } },
    ]);
  });

  test('names in lower case and with a final dot', () => {
    expect(peers(cnp('egress: [{ toFQDNs: [{ matchName: API.Example.com }, { matchName: a. }, { matchPattern: "*" }, { matchPattern: "**.Example.com." }] }]'))).toEqual([
      { kind: 'fqdn', selector: { name: 'api.example.com.' } },
      { kind: 'fqdn', selector: { name: 'a.' } },
      { kind: 'fqdn', selector: { pattern: '*.' } },
      { kind: 'fqdn', selector: { pattern: '**.example.com.' } },
    ]);
  });

  test('groups of a provider have one text, however they are written', () => {
    const written = 'egress: [{ toGroups: [{ aws: { securityGroupsIds: [sg-2, sg-1], region: r, labels: { b: x, a: y } } }, { aws: { labels: { a: y, b: x }, region: r, securityGroupsIds: [sg-1, sg-2], securityGroupsNames: [] } }, { aws: {} }] }]';
    const group = 'aws:{"labels":{"a":"y","b":"x"},"region":"r","securityGroupsIds":["sg-1","sg-2"]}';
    expect(peers(cnp(written))).toEqual([{ kind: 'group', group }, { kind: 'group', group }, { kind: 'group', group: 'aws:{}' }]);
    expect(providerGroupKey({ aws: { region: 'r', labels: { b: 'x', a: 'y' }, securityGroupsIds: ['sg-1', 'sg-2'] } })).toBe(group);
  });

  test('every entity, the API server included', () => {
    expect(peers(cnp('egress: [{ toEntities: [kube-apiserver, ingress] }]'))).toEqual([{ kind: 'entity', entity: 'kube-apiserver' }, { kind: 'entity', entity: 'ingress' }]);
  });

  test('an empty list selects nobody, of whatever kind', () => {
    for (const field of ['toNodes', 'toServices', 'toFQDNs', 'toGroups']) {
      expect(rules(cnp(`egress: [{ ${field}: [] }]`))).toMatchObject([{ peers: { kind: 'none', why: `${field} is an empty list, which selects nobody` } }]);
    }
  });
});

describe('ports', () => {
  test('names are in lower case and mean no number yet', () => {
    expect(ports(cnp('ingress: [{ toPorts: [{ ports: [{ port: HTTP, protocol: tcp }, { port: dns }] }] }]'))).toEqual([
      { protocol: 6, first: 0, last: 0, name: 'http' },
      { protocol: 6, first: 0, last: 0, name: 'dns' },
      { protocol: 17, first: 0, last: 0, name: 'dns' },
      { protocol: 132, first: 0, last: 0, name: 'dns' },
    ]);
    const kubernetes = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nspec: { podSelector: {}, ingress: [{ ports: [{ port: http }, { port: dns, protocol: UDP }] }] }\n';
    expect(ports(kubernetes)).toEqual([{ protocol: 6, first: 0, last: 0, name: 'http' }, { protocol: 17, first: 0, last: 0, name: 'dns' }]);
  });

  const proxied = (rest: string, direction = 'egress'): unknown => (ports(cnp(`${direction}: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], ${rest} }] }]`)) as { proxy?: unknown }[])[0]!.proxy;

  test.each<[string, unknown]>([
    ['rules: {}', undefined],
    ['rules: { http: [{ method: GET, path: "/v[0-9]+", host: "", headers: [X-A, "B: c"] }, {}] }', { l7: { kind: 'http', rules: [{ method: 'GET', path: '/v[0-9]+', headers: ['X-A', 'B: c'] }, {}] } }],
    ['rules: { http: [{ headerMatches: [{ name: A, value: b, mismatch: LOG }, { name: C, secret: { name: s, namespace: n } }] }] }', { l7: { kind: 'http', rules: [{ headerMatches: [{ name: 'A', value: 'b', mismatch: 'LOG' }, { name: 'C', secret: { name: 's', namespace: 'n' } }] }] } }],
    ['rules: { http: [] }', { l7: { kind: 'http', rules: [] } }],
    ['rules: { kafka: [{ role: produce, topic: t, clientID: c, apiVersion: "3" }, { apiKey: Heartbeat }, {}] }', { l7: { kind: 'kafka', rules: [{ apiKeys: [0, 3, 18], topic: 't', clientId: 'c', apiVersion: 3 }, { apiKeys: [12] }, { apiKeys: [] }] } }],
    ['rules: { kafka: [{ role: consume, apiVersion: "0", topic: "" }] }', { l7: { kind: 'kafka', rules: [{ apiKeys: [1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18], apiVersion: 0 }] } }],
    ['rules: { dns: [{ matchName: A.b }, { matchPattern: "*.b" }] }', { l7: { kind: 'dns', rules: [{ name: 'a.b.' }, { pattern: '*.b.' }] } }],
    ['rules: { l7proto: redis, l7: [{ command: get, key: a }] }', { l7: { kind: 'generic', parser: 'redis', rules: [{ command: 'get', key: 'a' }] } }],
    ['rules: { l7proto: redis }', { l7: { kind: 'generic', parser: 'redis', rules: [] } }],
    ['serverNames: [A.example.com., "*.b.c", "**.d"]', { serverNames: ['a.example.com', '*.b.c', '**.d'] }],
    ['terminatingTLS: { secret: { name: a, namespace: b }, certificate: c, privateKey: d }, originatingTLS: { secret: { name: e }, trustedCA: f }, rules: { http: [{}] }, serverNames: [a.b]', { l7: { kind: 'http', rules: [{}] }, serverNames: ['a.b'], terminatingTls: { secret: { name: 'a', namespace: 'b' }, certificate: 'c', privateKey: 'd' }, originatingTls: { secret: { name: 'e' }, trustedCa: 'f' } }],
    ['listener: { name: l, envoyConfig: { name: c } }', { listener: { name: 'l', envoyConfig: { kind: 'CiliumEnvoyConfig', name: 'c' } } }],
    ['listener: { name: l, envoyConfig: { kind: CiliumClusterwideEnvoyConfig, name: c }, priority: 7 }', { listener: { name: 'l', envoyConfig: { kind: 'CiliumClusterwideEnvoyConfig', name: 'c' }, priority: 7 } }],
  ])('%s', (rest, expected) => {
    expect(proxied(rest)).toEqual(expected);
  });

  test('one port rule is one object for all of its terms', () => {
    const [rule] = read(cnp('egress: [{ toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }] }]'))[0]!.rules as [Rule];
    const terms = rule.ports.kind === 'ports' ? rule.ports.ports : [];
    expect(terms).toHaveLength(3);
    expect(new Set(terms.map(({ proxy }) => proxy)).size).toBe(1);
    expect(terms[0]!.proxy!.at.field).toBe('spec.egress[0].toPorts[0]');
  });
});

test('what a rule says besides peers and ports', () => {
  expect(rules(cnp('log: { value: seen }\n  labels: [{ key: a }, { key: b, value: c, source: k8s }]\n  description: text\n  ingress: [{ authentication: { mode: required } }, { authentication: { mode: disabled } }]'))).toMatchObject([
    { log: 'seen', labels: ['unspec:a', 'k8s:b=c'], description: 'text', authentication: 'required' },
    { log: 'seen', authentication: 'disabled' },
  ]);
});

test('policies for nodes select the host, by its labels', () => {
  const text = 'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: { name: a }\nspec: { nodeSelector: { matchLabels: { "node:zone": a } }, egress: [{ toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }] }] }\n';
  expect(rules(text)).toMatchObject([{ subject: 'node:zone=a,reserved:host', direction: 'egress' }]);
});

test.each(['v2', 'v2alpha1'])('a CiliumCIDRGroup of %s has prefixes and labels', (version) => {
  const [group] = read(`apiVersion: cilium.io/${version}\nkind: CiliumCIDRGroup\nmetadata: { name: office, labels: { env: work } }\nspec: { externalCIDRs: [10.1.2.3/16, "2001:db8::/32"] }\n`);
  expect(group).toMatchObject({ kind: 'CiliumCIDRGroup', key: 'CiliumCIDRGroup//office', namespace: undefined, rules: [] });
  expect(group!.group!.prefixes.map(({ text }) => text)).toEqual(['10.1.0.0/16', '2001:db8::/32']);
  expect(group!.group!.labels.toStrings()).toEqual(['k8s:env=work']);
});

describe('tiers', () => {
  const NAMESPACE = term('k8s', 'io.kubernetes.pod.namespace');
  const team = (value: string) => term('k8s', 'io.cilium.k8s.namespace.labels.team', 'In', [value]);

  test('AdminNetworkPolicy', () => {
    const text = `apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: { name: first }
spec:
  priority: 7
  subject: { namespaces: { matchLabels: { team: a } } }
  ingress:
    - { name: hello, action: Pass, from: [{ namespaces: { matchLabels: { team: b } } }] }
    - { action: Deny, from: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: x } } } }], ports: [{ portNumber: { port: 80 } }, { portRange: { protocol: UDP, start: 1, end: 9 } }, { namedPort: http }] }
  egress:
    - { action: Allow, to: [{ networks: [10.0.0.0/8] }, { nodes: { matchLabels: { zone: a } } }, { domainNames: ['*.Example.com', a.b] }], ports: [] }
`;
    expect(rules(text)).toEqual([
      {
        direction: 'ingress', action: 'pass', tier: 'admin', order: { priority: 7, index: 0 }, defaultDeny: false, description: 'hello',
        subject: 'k8s:io.cilium.k8s.namespace.labels.team=a,k8s:io.kubernetes.pod.namespace',
        peers: { kind: 'peers', peers: [{ kind: 'labels', requirements: [NAMESPACE, team('b')], localClusterByDefault: true }] },
        ports: { kind: 'all' },
      },
      expect.objectContaining({
        action: 'deny', order: { priority: 7, index: 1 },
        peers: { kind: 'peers', peers: [{ kind: 'labels', requirements: [NAMESPACE, term('k8s', 'app', 'In', ['x'])], localClusterByDefault: true }] },
        ports: {
          kind: 'ports',
          ports: [{ protocol: 6, first: 80, last: 80 }, { protocol: 17, first: 1, last: 9 }, ...[6, 17, 132].map((protocol) => ({ protocol, first: 0, last: 0, name: 'http' }))],
        },
      }),
      expect.objectContaining({
        direction: 'egress', action: 'allow', order: { priority: 7, index: 0 }, ports: { kind: 'all' },
        peers: {
          kind: 'peers',
          peers: [
            { kind: 'cidr', prefix: '10.0.0.0/8', except: [], byAddress: true },
            { kind: 'labels', requirements: [term('any', 'zone', 'In', ['a']), term('reserved', 'host')], localClusterByDefault: false, nodes: true },
            { kind: 'labels', requirements: [term('any', 'zone', 'In', ['a']), term('reserved', 'remote-node')], localClusterByDefault: false, nodes: true },
            { kind: 'fqdn', selector: { pattern: '**.example.com.' } },
            { kind: 'fqdn', selector: { name: 'a.b.' } },
          ],
        },
      }),
    ]);
  });

  test('BaselineAdminNetworkPolicy comes last and has no priority', () => {
    const text = 'apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: { name: default }\nspec: { subject: { namespaces: {} }, ingress: [{ action: Allow, from: [{ namespaces: {} }] }, { action: Deny, from: [{ namespaces: {} }] }] }\n';
    expect(rules(text)).toMatchObject([{ tier: 'baseline', action: 'allow', order: { priority: 0, index: 0 } }, { tier: 'baseline', action: 'deny', order: { priority: 0, index: 1 } }]);
  });

  test.each([['Admin', 'admin'], ['Baseline', 'baseline']])('ClusterNetworkPolicy of the tier %s', (written, tier) => {
    const text = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: a }
spec:
  tier: ${written}
  priority: 1000
  subject: { pods: { namespaceSelector: {}, podSelector: {} } }
  egress:
    - action: Accept
      to: [{ namespaces: {} }]
      protocols: [{ tcp: { destinationPort: { number: 80 } } }, { udp: { destinationPort: { range: { start: 5, end: 6 } } } }, { sctp: {} }, { destinationNamedPort: WEB }]
`;
    expect(rules(text)).toMatchObject([
      {
        tier, action: 'allow', order: { priority: 1000, index: 0 }, subject: 'k8s:io.kubernetes.pod.namespace',
        ports: { ports: [{ protocol: 6, first: 80, last: 80 }, { protocol: 17, first: 5, last: 6 }, { protocol: 132, first: 0, last: 65535 }, { protocol: 6, name: 'web' }, { protocol: 17, name: 'web' }, { protocol: 132, name: 'web' }] },
      },
    ]);
  });
});
