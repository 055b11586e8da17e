import { describe, expect, test } from 'vitest';
import type { ExplainRequest, L7Request, ProxyRules } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, MATCH_TYPE, explain } from '../../src/index.ts';
import { pod, reserved } from '../helpers/identities.ts';
import type { RuleSketch } from '../helpers/rules.ts';
import { http, labelsPeer, policy, source, tcp } from '../helpers/rules.ts';

const web = pod('shop', { app: 'web' });
const client = pod('shop', { app: 'client' });
const get = (path: string, method = 'GET'): L7Request => ({ http: { method, path } });
const fromClient = { peers: [labelsPeer({ app: 'client' })] };

function ask(rules: RuleSketch[], request: Partial<ExplainRequest> = {}) {
  const repository = source(rules.map((rule, i) => policy(`p${i}`, rule)));
  const { ingress, text, verdict } = explain({ repository, from: client, to: web, protocol: 6, port: 80, options: DEFAULT_POLICY_OPTIONS, ...request });
  return { ...ingress, candidates: ingress.candidates, text, overall: verdict };
}
const parts = (result: ReturnType<typeof ask>) => result.candidates.map(({ rule, effect, l7 }) => [rule.resource.split('/')[2], effect, l7?.matches]);
const proxied = (proxy: Partial<ProxyRules>, more: RuleSketch = {}): RuleSketch => ({ ports: [tcp(80, proxy)], ...more });

describe('a request is held against the rules of all policies that allow the connection', () => {
  const rules = [proxied(http({ method: 'GET', path: '/public/.*' })), proxied(http({ path: '/admin', method: 'PUT' }), fromClient)];
  test('any of them is enough', () => {
    const result = ask(rules, { l7: get('/public/a') });
    expect(result).toMatchObject({ verdict: 'allowed', overall: 'allowed', action: 'allow', reason: 'allowed-by-rule', match: MATCH_TYPE.l3L4, redirect: { parser: 'http', passes: true, rules: [{ resource: 'CiliumNetworkPolicy/shop/p0' }, { resource: 'CiliumNetworkPolicy/shop/p1' }] } });
    expect(parts(result)).toEqual([['p1', 'decides', false], ['p0', 'redirects', true]]);
    expect(result.candidates[1]!.l7).toEqual({ parser: 'http', matches: true, index: 0, detail: 'the request is of layer-7 rule 0: method GET, path /public/.*' });
  });

  test('what none of them means is refused', () => {
    const result = ask(rules, { l7: get('/secret') });
    expect(result).toMatchObject({ verdict: 'denied', overall: 'denied', action: 'allow', reason: 'denied-by-l7', redirect: { passes: false } });
    expect(result.candidates.map(({ l7 }) => l7?.detail)).toEqual(['the method "GET" does not match PUT', 'the path "/secret" does not match /public/.*']);
    expect(result.text).toContain('denied: the connection is allowed, but the proxy does not let this pass\n  through the http proxy, which refuses this\n');
  });

  test('without a request the verdict is that of the connection', () => {
    const result = ask(rules);
    expect(result).toMatchObject({ verdict: 'allowed', reason: 'allowed-by-rule' });
    expect(result.redirect!.passes).toBeUndefined();
    expect(parts(result)).toEqual([['p1', 'decides', undefined], ['p0', 'redirects', undefined]]);
    expect(result.text).toContain('http: method GET, path /public/.*');
    expect(result.text).toMatch(/verdict: allowed, as far as the proxy: requests are checked there$/);
  });

  test('audit mode does not open what a proxy refuses', () => {
    const options = { ...DEFAULT_POLICY_OPTIONS, auditMode: true };
    expect(ask(rules, { l7: get('/secret'), options })).toMatchObject({ overall: 'denied' });
    expect(ask(rules, { l7: get('/secret'), options, port: 81 })).toMatchObject({ overall: 'allowed', verdict: 'denied' });
  });
});

test('a permission without layer-7 rules lets every request pass', () => {
  const result = ask([proxied(http({ path: '/public' })), { peers: [labelsPeer({ app: 'client' })] }], { l7: get('/secret') });
  expect(result).toMatchObject({ verdict: 'allowed', redirect: { passes: true, opened: { by: { resource: 'CiliumNetworkPolicy/shop/p1' } } } });
  expect(result.candidates[0]).toMatchObject({ effect: 'decides', l7: { matches: false }, shadow: { why: 'its layer-7 rules refuse nothing: the same is allowed without them' } });
  expect(parts(result)[1]).toEqual(['p1', 'agrees', undefined]);
});

describe('a DNS proxy has the rules of its own port only', () => {
  const dns = proxied({ l7: { kind: 'dns', rules: [{ name: 'a.example.com.' }] } }, fromClient);
  const query = { l7: { dns: { name: 'b.example.com' } } };

  test('a permission for every port does not open it', () => {
    const result = ask([dns, fromClient], query);
    expect(result).toMatchObject({ verdict: 'denied', action: 'allow', redirect: { passes: false } });
    expect(result.redirect).not.toHaveProperty('opened');
    expect(result.candidates[1]).toMatchObject({ effect: 'shadowed', shadow: { why: 'a DNS proxy has the rules of the very port only', by: { resource: 'CiliumNetworkPolicy/shop/p0' } } });
  });

  test('one for the very port does', () => {
    const result = ask([dns, { ...fromClient, ports: [tcp(80)] }], query);
    expect(result).toMatchObject({ verdict: 'allowed', redirect: { passes: true, opened: { by: { resource: 'CiliumNetworkPolicy/shop/p1' } } } });
  });
});

test('without default deny layer-7 rules only observe', () => {
  const result = ask([proxied(http({ path: '/public' }), { defaultDeny: false })], { l7: get('/secret') });
  expect(result).toMatchObject({ verdict: 'allowed', redirect: { passes: true, opened: { why: 'no rule enables default deny: layer-7 rules observe and refuse nothing' } } });
});

test('a denial beats them', () => {
  const result = ask([proxied(http({})), { action: 'deny', ...fromClient }], { l7: get('/') });
  expect(result).toMatchObject({ verdict: 'denied', reason: 'denied-by-rule', action: 'deny' });
  expect(result.redirect).toBeUndefined();
});

test('the node, where it may always reach its endpoints, does not go through the proxy', () => {
  const options = { ...DEFAULT_POLICY_OPTIONS, allowLocalhost: true };
  const result = ask([proxied(http({ path: '/public' }))], { from: reserved('host'), options, l7: get('/secret') });
  expect(result).toMatchObject({ verdict: 'allowed', action: 'allow' });
  expect(result.redirect).toBeUndefined();
});

describe('of several parsers the one of the smallest priority takes the connection', () => {
  const dns: Partial<ProxyRules> = { l7: { kind: 'dns', rules: [{ pattern: '*' }] } };
  const kafka: Partial<ProxyRules> = { l7: { kind: 'kafka', rules: [] } };
  const generic: Partial<ProxyRules> = { l7: { kind: 'generic', parser: 'memcache', rules: [] } };
  const tls: Partial<ProxyRules> = { serverNames: ['a.example'] };
  const listener = (priority?: number): Partial<ProxyRules> => ({ listener: { name: 'mine', ...(priority === undefined ? {} : { priority }) } });
  test.each<[string, Partial<ProxyRules>[], string]>([
    ['HTTP before Kafka', [kafka, http({})], 'http'],
    ['Kafka before others by name', [generic, kafka], 'kafka'],
    ['those before TLS', [tls, generic], 'generic:memcache'],
    ['TLS before DNS', [dns, tls], 'tls'],
    ['DNS before a listener', [listener(), dns], 'dns'],
    ['a listener with a priority of its own before all', [http({}), listener(1)], 'listener'],
  ])('%s', (_, proxies, parser) => {
    const result = ask(proxies.map((proxy, i) => proxied(proxy, i === 0 ? {} : fromClient)));
    expect(result.redirect).toMatchObject({ parser, rules: [{}] });
    expect(result.candidates[1]).toMatchObject({ effect: 'shadowed', shadow: { why: expect.stringMatching(`^connections go to one proxy, and ${parser} comes before `) } });
  });

  test('a request of another protocol does not pass', () => {
    expect(ask([proxied(http({}))], { l7: { dns: { name: 'a' } } })).toMatchObject({ verdict: 'denied', candidates: [{ l7: { detail: 'the request is dns, the rules are http' } }] });
  });

  test('what a listener does only it knows', () => {
    const result = ask([proxied(listener())], { l7: get('/') });
    expect(result).toMatchObject({ verdict: 'allowed', candidates: [{ l7: { detail: 'the listener mine decides' } }] });
    expect(result.redirect!.passes).toBeUndefined();
  });
});

describe('server names', () => {
  const names = (...serverNames: string[]): RuleSketch => proxied({ serverNames });
  test.each<[string, string, boolean]>([
    ['exactly', 'shop.example', true],
    ['in any case', 'SHOP.example', true],
    ['one label', 'a.cdn.example', true],
    ['not two', 'a.b.cdn.example', false],
    ['several labels', 'a.b.deep.example', true],
    ['none', 'deep.example', false],
    ['another', 'evil.example', false],
  ])('%s: %s', (_, serverName, passes) => {
    const result = ask([names('shop.example', '*.cdn.example'), names('**.deep.example')], { serverName });
    expect(result).toMatchObject({ verdict: passes ? 'allowed' : 'denied', redirect: { parser: 'tls', passes, serverNames: ['**.deep.example', '*.cdn.example', 'shop.example'] } });
  });

  test('and requests: both must pass', () => {
    const rules = [proxied({ serverNames: ['a.example'], ...http({ path: '/a' }) })];
    expect(ask(rules, { serverName: 'a.example', l7: get('/a') }).verdict).toBe('allowed');
    expect(ask(rules, { serverName: 'b.example', l7: get('/a') }).verdict).toBe('denied');
    expect(ask(rules, { serverName: 'a.example', l7: get('/b') }).verdict).toBe('denied');
    expect(ask(rules, { l7: get('/b') }).verdict).toBe('denied');
    expect(ask(rules, { l7: get('/a') }).redirect!.passes).toBeUndefined();
  });

  test('a rule of the same parser without names lifts the restriction', () => {
    const result = ask([proxied({ serverNames: ['a.example'], ...http({ path: '/a' }) }), proxied(http({ path: '/b' }))], { serverName: 'c.example', l7: get('/a') });
    expect(result).toMatchObject({ verdict: 'allowed' });
    expect(result.redirect!.serverNames).toBeUndefined();
  });
});

test('a Kafka request about topics of several policies passes where each topic does', () => {
  const kafka = (topic: string): RuleSketch => proxied({ l7: { kind: 'kafka', rules: [{ apiKeys: [0], topic }] } });
  const l7 = (...topics: string[]): L7Request => ({ kafka: { apiKey: 0, topics } });
  expect(ask([kafka('a'), kafka('b')], { l7: l7('a', 'b') }).verdict).toBe('allowed');
  expect(ask([kafka('a'), kafka('b')], { l7: l7('a', 'c') }).verdict).toBe('denied');
});

test('the text of a DNS question reads well', () => {
  const dns: RuleSketch = { direction: 'egress', ports: [{ protocol: 17, first: 53, last: 53, at: { line: 1, column: 1, field: 'port' }, proxy: { l7: { kind: 'dns', rules: [{ pattern: '*.example.org.' }] }, at: { line: 1, column: 1, field: 'rules' } } }] };
  const { text } = explain({ repository: source([policy('dns', dns)]), from: web, to: client, protocol: 17, port: 53, l7: { dns: { name: 'www.example.com' } }, options: DEFAULT_POLICY_OPTIONS });
  expect(text).toContain('53/UDP from shop/app=web');
  expect(text).toContain(': DNS query for www.example.com\n');
  expect(text).toContain('does not pass: the name www.example.com is not of the pattern *.example.org.\n');
});
