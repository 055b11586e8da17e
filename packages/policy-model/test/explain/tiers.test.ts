import { describe, expect, test } from 'vitest';
import type { PolicyOptions, PolicyResource } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, MATCH_TYPE, explain } from '../../src/index.ts';
import { pod, reserved } from '../helpers/identities.ts';
import type { RuleSketch } from '../helpers/rules.ts';
import { labelsPeer, policy, source, tcp } from '../helpers/rules.ts';

const web = pod('shop', { app: 'web' });
const client = pod('shop', { app: 'client' });

function ask(resources: PolicyResource[], { port = 80, from = client, options = {} }: { port?: number; from?: typeof web; options?: Partial<PolicyOptions> } = {}) {
  const explanation = explain({ repository: source(resources), from, to: web, protocol: 6, port, options: { ...DEFAULT_POLICY_OPTIONS, ...options } });
  return { ...explanation.ingress, candidates: explanation.ingress.candidates, text: explanation.text };
}
const effects = (direction: ReturnType<typeof ask>) => direction.candidates.map(({ rule, effect, shadow }) => [rule.resource.split('/')[2], rule.index, effect, shadow?.why].filter((part) => part !== undefined));
const admin = (action: RuleSketch['action'], more: RuleSketch = {}): RuleSketch => ({ tier: 'admin', ...(action === undefined ? {} : { action }), ...more });
const baseline = (action: RuleSketch['action'], more: RuleSketch = {}): RuleSketch => ({ ...admin(action, more), tier: 'baseline' });

describe('admin rules', () => {
  test('the first that matches decides, by priority, then resource, then index', () => {
    const resources = [policy('c', admin('allow', { priority: 5 })), policy('b', admin('deny', { priority: 3, ports: [tcp(81)] }), admin('allow', { priority: 3 }), admin('deny', { priority: 3 })), policy('a', admin('deny', { priority: 9 }))];
    const result = ask(resources);
    expect(result).toMatchObject({ verdict: 'allowed', action: 'allow', reason: 'allowed-by-rule', tier: 'admin', match: MATCH_TYPE.all, deciding: { resource: 'CiliumNetworkPolicy/shop/b', index: 1, priority: 3 } });
    expect(effects(result)).toEqual([
      ['b', 1, 'decides'],
      ['b', 2, 'shadowed', 'an earlier rule of its tier decides'],
      ['c', 0, 'agrees'],
      ['a', 0, 'shadowed', 'an earlier rule of its tier decides'],
      ['b', 0],
    ]);
    expect(ask(resources, { port: 81 })).toMatchObject({ verdict: 'denied', action: 'deny', match: MATCH_TYPE.l4Only, deciding: { index: 0 } });
  });

  test('allow beats the denial of a normal policy, and deny its permission', () => {
    const normal = policy('n', { action: 'deny' });
    const result = ask([policy('a', admin('allow', { ports: [tcp(80)] })), normal]);
    expect(result).toMatchObject({ verdict: 'allowed', tier: 'admin' });
    expect(effects(result)).toEqual([['a', 0, 'decides'], ['n', 0, 'shadowed', 'the tier admin comes before the tier normal']]);
    expect(ask([policy('a', admin('deny')), policy('n', {})])).toMatchObject({ verdict: 'denied', action: 'deny', tier: 'admin' });
  });

  test('pass leaves it to normal policies, whatever later rules of its tier say', () => {
    const resources = [policy('a', admin('pass', { peers: [labelsPeer({ app: 'client' })] }), admin('deny')), policy('n', { ports: [tcp(80)] }), policy('z', baseline('deny'))];
    const open = ask(resources);
    expect(open).toMatchObject({ verdict: 'allowed', tier: 'normal', deciding: { resource: 'CiliumNetworkPolicy/shop/n' } });
    expect(effects(open)).toEqual([
      ['n', 0, 'decides'],
      ['a', 0, 'passes'],
      ['a', 1, 'shadowed', 'an earlier rule of its tier passes the traffic on'],
      ['z', 0, 'shadowed', 'the tier normal comes before the tier baseline'],
    ]);
    const closed = ask(resources, { port: 81 });
    expect(closed).toMatchObject({ verdict: 'denied', action: 'deny-default', reason: 'default-deny', tier: 'normal', defaultDeny: { rules: [{ resource: 'CiliumNetworkPolicy/shop/n' }] } });
    expect(ask(resources, { from: pod('shop', { app: 'other' }) })).toMatchObject({ verdict: 'denied', action: 'deny', tier: 'admin' });
  });

  test('pass with nothing below it allows', () => {
    const result = ask([policy('a', admin('pass'))]);
    expect(result).toMatchObject({ verdict: 'allowed', reason: 'default-allow', match: MATCH_TYPE.all, enforced: true });
    expect(effects(result)).toEqual([['a', 0, 'passes']]);
    expect(result.text).toContain('  passes on      pass CiliumNetworkPolicy/shop/a (line 1: spec.ingress[0]) [admin, priority 0]');
  });
});

describe('baseline rules', () => {
  test('decide what normal policies leave open', () => {
    const resources = [policy('z', baseline('allow', { priority: 1, ports: [tcp(81)] }), baseline('deny', { priority: 1 }))];
    expect(ask(resources)).toMatchObject({ verdict: 'denied', action: 'deny', tier: 'baseline' });
    expect(ask(resources, { port: 81 })).toMatchObject({ verdict: 'allowed', tier: 'baseline', match: MATCH_TYPE.l4Only });
  });

  test('are not asked where normal policies deny by default', () => {
    const result = ask([policy('n', { ports: [tcp(81)] }), policy('z', baseline('allow'))]);
    expect(result).toMatchObject({ verdict: 'denied', reason: 'default-deny' });
    expect(effects(result)).toContainEqual(['z', 0, 'shadowed', 'default deny comes before its tier']);
    expect(result.candidates[0]).toMatchObject({ shadow: { by: { resource: 'CiliumNetworkPolicy/shop/n' } } });
  });

  test('are asked beside normal rules without default deny, but after their permissions', () => {
    const observing = policy('n', { defaultDeny: false, ports: [tcp(80)] });
    const resources = [observing, policy('z', baseline('deny'))];
    expect(ask(resources)).toMatchObject({ verdict: 'allowed', tier: 'normal' });
    expect(ask(resources, { port: 81 })).toMatchObject({ verdict: 'denied', tier: 'baseline' });
    expect(ask([observing], { port: 81 })).toMatchObject({ verdict: 'allowed', reason: 'default-allow', match: MATCH_TYPE.all });
  });

  test('always enforced endpoints never come to them', () => {
    expect(ask([policy('z', baseline('allow'))], { options: { enforcement: 'always' } })).toMatchObject({ verdict: 'denied', defaultDeny: { why: 'enforcement-always' } });
  });
});

test('enforcement never switches all tiers off', () => {
  expect(ask([policy('a', admin('deny')), policy('z', baseline('deny'))], { options: { enforcement: 'never' } })).toMatchObject({ verdict: 'allowed', reason: 'enforcement-never', enforced: false });
});

describe('the node may always reach its endpoints', () => {
  const options = { allowLocalhost: true };
  const host = reserved('host');
  test.each<[string, RuleSketch, object]>([
    ['not past an admin denial', admin('deny'), { verdict: 'denied', tier: 'admin' }],
    ['not past a normal denial', { action: 'deny', ports: [tcp(80)] }, { verdict: 'denied', tier: 'normal' }],
    ['past a baseline denial', baseline('deny'), { verdict: 'allowed', reason: 'allow-localhost', match: MATCH_TYPE.l3Only }],
    ['past default deny', { ports: [tcp(81)] }, { verdict: 'allowed', reason: 'allow-localhost' }],
    ['a narrower permission shows in the match', { ports: [tcp(80)] }, { verdict: 'allowed', reason: 'allowed-by-rule', match: MATCH_TYPE.l4Only }],
  ])('%s', (_, rule, expected) => {
    expect(ask([policy('p', rule)], { from: host, options })).toMatchObject(expected);
  });
});

describe('the host endpoint', () => {
  const host = reserved('host');
  const hostRule = policy('h', { action: 'deny', subject: {} });
  const nodeRule = { ...hostRule, rules: hostRule.rules.map((rule) => ({ ...rule, subject: { text: 'reserved:host', requirements: [{ source: 'reserved', key: 'host', operator: 'Exists' as const, values: [] }] } })) };
  const toHost = (resource: PolicyResource, hostFirewall: boolean) =>
    explain({ repository: source([resource]), from: client, to: host, protocol: 6, port: 80, options: { ...DEFAULT_POLICY_OPTIONS, hostFirewall } }).ingress;
  test('has policies with the host firewall only, and only those for nodes', () => {
    expect(toHost(nodeRule, false)).toMatchObject({ verdict: 'allowed', reason: 'no-endpoint' });
    expect(toHost(nodeRule, true)).toMatchObject({ verdict: 'denied', reason: 'denied-by-rule' });
    expect(toHost(hostRule, true)).toMatchObject({ verdict: 'allowed', reason: 'no-rules' });
  });
});

test('labels, log text, description and priority of a rule are told', () => {
  const result = ask([policy('p', { log: 'web traffic', labels: ['k8s:team=a'], description: 'everybody' }, { log: 'never said', ports: [tcp(1)] })]);
  expect(result.deciding).toMatchObject({ log: 'web traffic', labels: ['k8s:team=a'], description: 'everybody' });
  expect(result.log).toEqual(['web traffic']);
  expect(result.text).toContain('  log: web traffic\n');
  expect(result.text).toContain('“everybody”\n');
  expect(result.text).toContain('labels k8s:team=a\n');
});

test('many rules that do not match are counted rather than listed', () => {
  const result = ask([policy('p', ...Array.from({ length: 20 }, (_, i) => ({ ports: [tcp(1000 + i)] })))]);
  expect(result.text.match(/other ports/g)).toHaveLength(12);
  expect(result.text).toContain('  and 8 more rules that select the endpoint and do not match');
  expect(result.candidates).toHaveLength(20);
});
