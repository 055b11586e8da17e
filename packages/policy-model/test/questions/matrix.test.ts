import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OpenSpan } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS as options, createPolicyRepository, explain, identitiesOfRules, matrix, matrixDot, matrixJson, matrixLines, matrixMermaid, parsePolicies, summarizeMatrix } from '../../src/index.ts';
import { alteredSpans, describeSpans, openTraffic, subtractSpans } from '../../src/questions/matrix/open-traffic.ts';
import { pod } from '../helpers/identities.ts';
import { repositoryOf } from '../helpers/policies.ts';
import { documents, IDENTITIES, PACKETS } from '../helpers/random-policies.ts';
import { http, policy, tcp } from '../helpers/rules.ts';

const POLICIES = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: cart, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: cart } }
  ingress:
    - fromEndpoints: [{ matchLabels: { app: web } }]
      toPorts: [{ ports: [{ port: "80", protocol: TCP }, { port: "8000", endPort: 8010, protocol: TCP }] }]
    - fromCIDR: [198.51.100.0/24]
      icmps: [{ fields: [{ type: 8 }] }]
    - fromEntities: [host]
  egress:
    - toPorts: [{ ports: [{ port: "53" }] }]
`;
const web = pod('shop', { app: 'web' });
const front = pod('shop', { app: 'web', tier: 'front' });
const cart = pod('shop', { app: 'cart' });
const repository = repositoryOf(POLICIES);
const asked = matrix({ repository, identities: [web, front, cart], options });
const text = (from: string, to: string) => asked.cells.find((cell) => cell.from.name === from && cell.to.name === to)?.text;

describe('cells', () => {
  test.each([
    ['shop/app=web', 'shop/app=cart', 'TCP 80, 8000-8010'],
    ['shop/app=cart', 'shop/app=web', 'TCP/UDP/SCTP 53'],
    ['shop/app=cart', 'world-ipv4', 'TCP/UDP/SCTP 53'],
    ['198.51.100.0/24', 'shop/app=cart', 'ICMP type 8'],
    ['world-ipv4', 'shop/app=cart', 'nothing'],
    ['host', 'shop/app=cart', 'everything'],
    ['shop/app=cart', 'shop/app=cart', 'nothing'],
    ['shop/app=web', 'shop/app=web', 'everything'],
  ])('%s to %s: %s', (from, to, expected) => {
    expect(text(from, to)).toBe(expected);
  });

  test('are of pairs with at least one endpoint, nodes and every part of the world included', () => {
    expect(asked.ends.map(({ name, endpoint }) => `${name}${endpoint ? '!' : ''}`)).toEqual(['shop/app=web!', 'shop/app=web,tier=front!', 'shop/app=cart!', 'host', 'remote-node', 'world-ipv4', 'world-ipv6', '198.51.100.0/24']);
    expect(asked.cells).toHaveLength(8 * 8 - 5 * 5);
  });
});

test('what policies do not tell apart is put together', () => {
  const summary = summarizeMatrix(asked);
  expect(summary.groups.map(({ names }) => names)).toEqual([['shop/app=web', 'shop/app=web,tier=front'], ['shop/app=cart'], ['host'], ['remote-node', 'world-ipv4', 'world-ipv6'], ['198.51.100.0/24']]);
  expect(matrixLines(summary)[0]).toEqual({ from: ['shop/app=web', 'shop/app=web,tier=front'], to: ['shop/app=web', 'shop/app=web,tier=front', 'host', 'remote-node', 'world-ipv4', 'world-ipv6', '198.51.100.0/24'], text: 'everything' });
  expect(matrixLines(summary)).toContainEqual({ from: ['198.51.100.0/24'], to: ['shop/app=cart'], text: 'ICMP type 8' });
});

test('pictures', () => {
  const summary = summarizeMatrix(matrix({ repository, identities: [web, cart], options: { ...options, ipv6: false } }));
  expect(matrixDot(summary)).toContain('digraph reach {\n  rankdir=LR;\n  n0 [label="shop/app=web", shape=box];\n');
  expect(matrixDot(summary)).toContain('  n0 -> n1 [label="TCP 80, 8000-8010"];\n');
  expect(matrixMermaid(summary)).toContain('flowchart LR\n  n0["shop/app=web"]\n');
  expect(matrixMermaid(summary)).toContain('  n0 -->|"TCP 80, 8000-8010"| n1\n');
  const odd = { groups: [{ names: ['a"b\\', 'c#<d>'], endpoint: false }], reach: [] };
  expect(matrixDot(odd)).toContain('n0 [label="a\\"b\\\\\\nc#<d>", shape=ellipse];');
  expect(matrixMermaid(odd)).toContain('n0(["a#34;b\\<br/>c#35;#60;d#62;"])');
});

test('JSON', () => {
  const json = JSON.parse(JSON.stringify(matrixJson(asked)));
  expect(json.ends[0]).toMatchObject({ identity: web.id, name: 'shop/app=web', endpoint: true, labels: expect.arrayContaining(['k8s:app=web']) });
  expect(json.reach).toContainEqual({ from: web.id, to: cart.id, text: 'TCP 80, 8000-8010', open: [{ protocols: [6, 6], ports: [80, 80] }, { protocols: [6, 6], ports: [8000, 8010] }] });
});

test('proxies are named', () => {
  const proxied = createPolicyRepository();
  proxied.replaceAll([policy('p', { subject: { app: 'cart' }, ports: [tcp(80, http({ path: '/a' })), tcp(81)] })]);
  const { cells } = matrix({ repository: proxied, identities: [web, cart], options });
  expect(cells.find(({ from, to }) => from.id === web.id && to.id === cart.id)).toMatchObject({ text: 'TCP 80 (http), 81', spans: [{ proxy: 'http' }, {}] });
});

test('an endpoint whose policies contradict each other may do nothing, and is named', () => {
  const conflict = createPolicyRepository();
  const dns = { l7: { kind: 'dns' as const, rules: [] } };
  conflict.replaceAll([policy('p', { subject: { app: 'cart' }, ports: [tcp(80, http({}))] }, { subject: { app: 'cart' }, ports: [tcp(80, dns)] })]);
  const { problems, cells } = matrix({ repository: conflict, identities: [web, cart], options });
  expect(problems).toMatchObject([{ end: { id: cart.id }, message: expect.stringContaining('http') }]);
  expect(cells.find(({ from, to }) => from.id === web.id && to.id === cart.id)!.text).toBe('nothing');
});

const P = 65_536;
const span = (start: number, end: number, more: Partial<OpenSpan> = {}): OpenSpan => ({ start, end, ...more });
test.each<[OpenSpan[], string]>([
  [[], 'nothing'],
  [[span(0, 256 * P - 1)], 'everything'],
  [[span(0, 256 * P - 1, { proxy: 'http' })], 'everything (http)'],
  [[span(6 * P, 7 * P - 1)], 'TCP'],
  [[span(6 * P + 80, 6 * P + 80), span(17 * P + 80, 17 * P + 80)], 'TCP/UDP 80'],
  [[span(0, 6 * P + 21), span(6 * P + 23, 256 * P - 1)], 'everything but TCP 22'],
  [[span(0, 6 * P + 21), span(6 * P + 22, 6 * P + 22, { proxy: 'tls' }), span(6 * P + 23, 256 * P - 1)], 'everything with TCP 22 (tls)'],
  [[span(47 * P, 49 * P - 1), span(50 * P, 50 * P)], 'protocols 47-48/protocol 50'],
  [[span(6 * P + 65_000, 7 * P + 10)], 'TCP 65000-65535; protocol 7'],
])('%j is %s', (spans, words) => {
  expect(describeSpans(spans)).toBe(words);
});

test('differences of spans', () => {
  expect(subtractSpans([span(0, 9), span(20, 29)], [span(3, 4), span(8, 22), span(29, 40)])).toEqual([span(0, 2), span(5, 7), span(23, 28)]);
  expect(alteredSpans([span(0, 9, { rules: 'a' })], [span(5, 15, { rules: 'b' })])).toEqual([span(5, 9, { rules: 'b' })]);
  expect(alteredSpans([span(0, 9, { rules: 'a' })], [span(5, 15, { rules: 'a' })])).toEqual([]);
});

test('agrees with the explanation of single packets, whatever the policies', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(documents, fc.nat(), (texts, seed) => {
      const random = createPolicyRepository();
      random.replaceAll(texts.flatMap((document) => [...parsePolicies(document).resources]));
      const { cells } = matrix({ repository: random, identities: IDENTITIES, options });
      for (let i = 0; i < 20; i++) {
        const { from, to, spans } = cells[(seed + i * 7919) % cells.length]!;
        const packet = PACKETS[(seed + i) % PACKETS.length]!;
        const { verdict, text: why } = explain({ repository: random, from, to, ...packet, icmpType: packet.port, options });
        const open = openTraffic(spans).some(({ protocols, ports }) => protocols[0] <= packet.protocol && packet.protocol <= protocols[1] && ports[0] <= packet.port && packet.port <= ports[1]);
        expect(open ? 'allowed' : 'denied', why).toBe(verdict);
      }
    }),
    { numRuns: 60, seed: 20261122 },
  );
});

test('without known endpoints the rules say whom they speak of', () => {
  const made = identitiesOfRules(repository.all(), options);
  expect(made.map(({ name }) => name).sort()).toEqual(['shop/(any)', 'shop/app=cart', 'shop/app=web']);
  expect(new Set(made.map(({ id }) => id)).size).toBe(3);
  expect(identitiesOfRules([], options).map(({ name }) => name)).toEqual(['default/(any)']);
});

test('200 identities and 200 policies compile each endpoint once', { timeout: 60_000 }, () => {
  const large = createPolicyRepository();
  large.replaceAll(
    Array.from({ length: 200 }, (_, i) => policy(`p${i}`, { subject: { app: `a${i}` }, peers: [{ kind: 'cidr', prefix: { ...repository.prefixes()[0]! }, except: [], at: { line: 1, column: 1, field: '' } }], ports: [tcp(1000 + i)] }, { subject: { app: `a${i}` }, ports: [tcp(80)] })),
  );
  const { cells } = matrix({ repository: large, identities: Array.from({ length: 200 }, (_, i) => pod('shop', { app: `a${i}` })), options });
  expect(cells.length).toBe(205 * 205 - 25);
  expect(new Set(cells.map(({ spans }) => spans)).size).toBeLessThan(1000);
});
