import { describe, expect, test } from 'vitest';
import type { KnownIdentity } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS as options, countChanges, createPolicyRepository, describeFlow, groupChanges, parseFlows, whatif, whatifJson } from '../../src/index.ts';
import { parseIp } from '@cilium-ts/core';
import { requestOfFlow } from '../../src/questions/whatif/flow-request.ts';
import { pod } from '../helpers/identities.ts';
import { repositoryOf } from '../helpers/policies.ts';
import { http, policy, tcp } from '../helpers/rules.ts';

const allow = (port: number, app = 'web', more = '') => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: cart, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: cart } }
  ingress:
    - fromEndpoints: [{ matchLabels: { app: ${app} } }]
      toPorts: [{ ports: [{ port: "${port}", protocol: TCP }] }]${more}
`;
const web = pod('shop', { app: 'web' });
const cart = pod('shop', { app: 'cart' });
const batch = pod('shop', { app: 'batch' });
const identities: KnownIdentity[] = [web, { ...cart, addresses: [parseIp('10.0.0.9')!] }, batch];
const flow = (from: string, port: number, more: object = {}) => JSON.stringify({ from: { labels: [`app=${from}`], namespace: 'shop' }, to: { labels: ['app=cart'], namespace: 'shop' }, port, ...more });
const ask = (before: string[], after: string[], lines: string[] = []) =>
  whatif({ before: repositoryOf(...before), after: repositoryOf(...after), identities, flows: parseFlows(lines.join('\n'), { file: 'flows.jsonl' }).flows, options });

describe('reachability', () => {
  test('opens and closes, with the rules of before and after', () => {
    const result = ask([allow(80)], [allow(8080)]);
    const mine = groupChanges(result.changes);
    expect(mine).toEqual([
      { kind: 'opens', text: 'TCP 8080', before: 'denied: ingress by default, closed by CiliumNetworkPolicy/shop/cart (policy.yaml:8: spec.ingress[0])', after: 'allowed: ingress by CiliumNetworkPolicy/shop/cart (policy.yaml:9: spec.ingress[0].toPorts[0].ports[0])', pairs: [{ from: 'shop/app=web', to: 'shop/app=cart' }] },
      { kind: 'closes', text: 'TCP 80', before: 'allowed: ingress by CiliumNetworkPolicy/shop/cart (policy.yaml:9: spec.ingress[0].toPorts[0].ports[0])', after: 'denied: ingress by default, closed by CiliumNetworkPolicy/shop/cart (policy.yaml:8: spec.ingress[0])', pairs: [{ from: 'shop/app=web', to: 'shop/app=cart' }] },
    ]);
    expect(countChanges(result)).toMatchObject({ opens: 1, closes: 1, alters: 0 });
  });

  test('a first policy closes, the world included', () => {
    const { changes } = ask([], [allow(80)]);
    expect(new Set(changes.map(({ kind }) => kind))).toEqual(new Set(['closes']));
    expect(changes.find(({ from }) => from.name === 'world-ipv4')).toMatchObject({ to: { name: 'shop/app=cart' }, text: 'everything' });
    expect(changes.find(({ from }) => from.name === 'shop/app=web')).toMatchObject({ text: 'everything but TCP 80' });
    expect(groupChanges(changes)[0]!.before).toBe('allowed: no policy applies');
  });

  test('nothing changes where nothing changes', () => {
    expect(ask([allow(80)], [allow(80).replace('name: cart', 'name: other')])).toMatchObject({ changes: [], flows: [] });
  });

  test('what a proxy lets pass may change while connections do not', () => {
    const [before, after] = [createPolicyRepository(), createPolicyRepository()];
    before.replaceAll([policy('p', { subject: { app: 'cart' }, ports: [tcp(80, http({ path: '/a' }))] })]);
    after.replaceAll([policy('p', { subject: { app: 'cart' }, ports: [tcp(80, http({ path: '/b' }))] })]);
    const lines = [flow('web', 80, { l7: { http: { method: 'GET', path: '/a' } } }), flow('web', 80, { l7: { http: { method: 'GET', path: '/b' } } }), flow('web', 80)];
    const { changes, flows, unchangedFlows } = whatif({ before, after, identities, options, flows: parseFlows(lines.join('\n')).flows });
    expect(changes.every(({ kind, text }) => kind === 'alters' && text === 'TCP 80 (http)')).toBe(true);
    expect(changes.some(({ from }) => from.name === 'shop/app=web')).toBe(true);
    expect(flows.map(({ kind, flow: { at } }) => [kind, at.line])).toEqual([['closes', 1], ['opens', 2]]);
    expect(unchangedFlows).toBe(1);
  });

  test('endpoints whose proposed policies contradict each other are named', () => {
    const after = createPolicyRepository();
    const dns = { l7: { kind: 'dns' as const, rules: [] } };
    after.replaceAll([policy('p', { subject: { app: 'cart' }, ports: [tcp(80, http({}))] }, { subject: { app: 'cart' }, ports: [tcp(80, dns)] })]);
    expect(whatif({ before: createPolicyRepository(), after, identities, options }).problems).toMatchObject([{ end: { id: cart.id } }]);
  });
});

describe('recorded flows', () => {
  test('are found to open and close, by line', () => {
    const result = ask([allow(80)], [allow(80, 'batch')], [flow('web', 80), flow('batch', 80), flow('web', 81)]);
    expect(result.flows.map((change) => [change.kind, describeFlow(change, options)])).toEqual([
      ['closes', 'flows.jsonl:1: shop/app=web -> shop/app=cart 80/TCP'],
      ['opens', 'flows.jsonl:2: shop/app=batch -> shop/app=cart 80/TCP'],
    ]);
    expect(result).toMatchObject({ unchangedFlows: 1, unknownFlows: 0 });
  });

  test('ends are known by address, by number, or as part of the world', () => {
    const closed = allow(80, 'web', '\n    - fromCIDR: [198.51.100.0/24]\n    - fromEntities: [host]');
    const lines = [
      { from: { ip: '198.51.100.7' }, to: { ip: '10.0.0.9' }, port: 443 },
      { from: { identity: Number(web.id) }, to: { ip: '10.0.0.9' }, port: 443 },
      { from: { identity: 1 }, to: { ip: '10.0.0.9' }, port: 443 },
      { from: { ip: '203.0.113.7' }, to: { ip: '10.0.0.9' }, port: 443 },
      { from: { identity: 99_999 }, to: { ip: '10.0.0.9' }, port: 443 },
    ].map((line) => JSON.stringify(line));
    const result = ask([allow(80)], [closed], lines);
    expect(result.flows.map((change) => describeFlow(change, options))).toEqual(['flows.jsonl:1: 198.51.100.7 -> shop/app=cart 443/TCP', 'flows.jsonl:3: host -> shop/app=cart 443/TCP']);
    expect(result).toMatchObject({ unchangedFlows: 2, unknownFlows: 1 });
  });

  test('JSON has the rules', () => {
    const json = JSON.parse(JSON.stringify(whatifJson(ask([allow(80)], [], [flow('batch', 80)]), options)));
    expect(json.summary).toMatchObject({ closes: 0, flowsOpened: 1 });
    expect(json.flows[0]).toMatchObject({ kind: 'opens', line: 1, before: { verdict: 'denied', rules: [{ resource: 'CiliumNetworkPolicy/shop/cart', line: 8 }] }, after: { verdict: 'allowed', rules: [] } });
    expect(json.changes.length).toBeGreaterThan(0);
  });
});

test.each([
  [{ kind: 'dns', name: 'a.example.' } as const, { dns: { name: 'a.example.' } }],
  [{ kind: 'http', method: 'GET', path: '/', host: 'h', headers: [{ name: 'A', value: '1' }] } as const, { http: { method: 'GET', path: '/', host: 'h', headers: { A: '1' } } }],
  [{ kind: 'kafka', apiKey: 'produce', topic: 't' } as const, { kafka: { apiKey: 0, topics: ['t'] } }],
  [{ kind: 'kafka', apiKey: '18', apiVersion: 2, clientId: 'c' } as const, { kafka: { apiKey: 18, apiVersion: 2, clientId: 'c' } }],
  [{ kind: 'kafka', apiKey: 'OffsetCommit' } as const, { kafka: { apiKey: 8 } }],
  [{ kind: 'kafka', apiKey: 'nonsense' } as const, undefined],
  [undefined, undefined],
])('the request %j', (recorded, request) => {
  expect(requestOfFlow(recorded)).toEqual(request);
});
