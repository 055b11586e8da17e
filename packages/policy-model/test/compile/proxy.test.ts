import { describe, expect, test } from 'vitest';
import type { ProxyRules, RowVerdict } from '../../src/index.ts';
import { MATCH_TYPE, PolicyModelError } from '../../src/index.ts';
import { pod, reserved } from '../helpers/identities.ts';
import type { RuleText } from '../helpers/compiled-rules.ts';
import { app, compiled, everybody, http, port, resource } from '../helpers/compiled-rules.ts';

const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db' });
const host = reserved('host');
const { all, l3L4, l4Only } = MATCH_TYPE;

type Proxy = Omit<ProxyRules, 'at'>;
const fromWeb = (proxy?: Proxy, number: string | number = 80): RuleText => ({ peers: [app('web')], ports: [port(number, proxy)] });
const fromAll = (proxy?: Proxy, number: string | number = 80): RuleText => ({ peers: [everybody], ports: [port(number, proxy)] });
const kafka: Proxy = { l7: { kind: 'kafka', rules: [{ apiKeys: [1], topic: 't' }] } };
const dns: Proxy = { l7: { kind: 'dns', rules: [{ name: 'a.com.' }] } };
const redis: Proxy = { l7: { kind: 'generic', parser: 'redis', rules: [{ cmd: 'GET' }] } };
const memcache: Proxy = { l7: { kind: 'generic', parser: 'memcache', rules: [{ cmd: 'get' }] } };
const sni = (...serverNames: string[]): Proxy => ({ serverNames });
const listener = (name: string, priority?: number): Proxy => ({ listener: { name, ...(priority !== undefined && { priority }) } });

const decide = (rules: RuleText[], number = 80, options = {}): RowVerdict => compiled([resource('rules', ...rules)], { options }).verdict('ingress', db, web, number);
const parser = (...rules: RuleText[]): string | undefined => decide(rules).ruleSet?.parser;
const rulesOf = (...rules: RuleText[]): unknown => decide(rules).ruleSet?.rules?.rules;

describe('a permission with rules of layer 7', () => {
  test('is a redirect with its rule set; without, there is none', () => {
    expect(decide([fromWeb(http('/a'))])).toMatchObject({ action: 'allow', match: l3L4, ruleSet: { parser: 'http', rules: { kind: 'http', rules: [{ path: '/a' }] } } });
    expect(decide([fromWeb()]).ruleSet).toBeUndefined();
    expect(decide([fromWeb(http('/a'))], 81)).toEqual({ action: 'deny-default', match: 0 });
  });

  test.each<[string, RuleText]>([
    ['of the peer', { action: 'deny', peers: [app('web')] }],
    ['of everybody', { action: 'deny' }],
    ['of the port', { action: 'deny', ports: [port('1-100')] }],
    ['of the tier admin', { action: 'deny', tier: 'admin' }],
  ])('loses to a denial %s', (_name, denial) => {
    expect(decide([fromWeb(http('/a')), denial])).toMatchObject({ action: 'deny' });
    expect(decide([fromWeb(http('/a')), denial]).ruleSet).toBeUndefined();
  });

  test('is passed by where the tier admin allows', () => {
    expect(decide([fromWeb(http('/a')), { tier: 'admin' }])).toEqual({ action: 'allow', match: all });
    expect(decide([fromWeb(http('/a')), { tier: 'admin', action: 'pass' }]).ruleSet?.parser).toBe('http');
  });
});

describe('permissions that cover the same connection', () => {
  test('have their rules united, sorted and once each', () => {
    expect(rulesOf(fromWeb(http('/b', '/a')), fromWeb(http('/a')), fromAll(http('/c'), '1-100'))).toEqual([{ path: '/a' }, { path: '/b' }, { path: '/c' }]);
  });

  test.each<[string, RuleText]>([
    ['for the same peer and port', fromWeb()],
    ['for the peer and everything', { peers: [app('web')] }],
    ['for everybody and the port', fromAll()],
    ['for everybody and everything', { peers: 'any' }],
  ])('without layer 7 %s let everything pass, still through the proxy', (_name, plain) => {
    expect(rulesOf(fromWeb(http('/a')), plain)).toEqual([{}, { path: '/a' }].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)));
    expect(decide([fromWeb(http('/a')), plain], 80)).toMatchObject({ action: 'allow', match: l3L4 });
  });

  test.each<[string, Proxy, unknown]>([
    ['http', http('/a'), {}],
    ['kafka', kafka, { apiKeys: [] }],
    ['dns', dns, { pattern: '*' }],
    ['generic', redis, {}],
  ])('the rule that lets everything pass is one of %s', (_name, proxy, wildcard) => {
    expect(rulesOf(fromWeb(proxy), fromAll())).toContainEqual(wildcard);
    expect(rulesOf(fromWeb(proxy))).not.toContainEqual(wildcard);
  });

  test('an empty list of rules lets everything pass', () => {
    expect(rulesOf(fromWeb({ l7: { kind: 'http', rules: [] } }))).toEqual([{}]);
    expect(rulesOf(fromWeb({ l7: { kind: 'http', rules: [] } }), fromAll(http('/a')))).toContainEqual({});
  });

  test('of one rule set are one object, whichever rules it came from', () => {
    const one = decide([fromWeb(http('/a', '/b'))]).ruleSet;
    const two = decide([fromWeb(http('/b')), fromAll(http('/a'))]).ruleSet;
    expect(one!.id).toMatch(/^[0-9a-f]{64}$/);
    expect(two!.id).toBe(one!.id);
    const { policy } = compiled([resource('a', fromWeb(http('/a', '/b'))), resource('b', { ...fromWeb(http('/b', '/a')), direction: 'egress' }), resource('c', { ...fromWeb(http('/c'), 81) })]);
    const { ruleSets } = policy(db, web);
    expect(ruleSets.map(({ rules }) => rules?.rules.length).sort()).toEqual([1, 2]);
  });

  test('the match type is that of the narrowest of the parser that wins', () => {
    expect(decide([fromAll(http('/a'))]).match).toBe(l4Only);
    expect(decide([fromWeb(), fromAll(http('/a'), '1-100')])).toMatchObject({ match: l4Only, ruleSet: { parser: 'http' } });
    expect(decide([fromWeb(http('/a')), fromAll(http('/b'))]).match).toBe(l4Only);
    expect(decide([fromWeb(http('/a'), '1-100'), fromAll(http('/b'))]).match).toBe(l4Only);
  });
});

describe('of several parsers', () => {
  test.each<[string, Proxy, Proxy, string]>([
    ['http before kafka', kafka, http('/a'), 'http'],
    ['kafka before generic', redis, kafka, 'kafka'],
    ['generic before server names', sni('a.com'), redis, 'generic:redis'],
    ['server names before dns', dns, sni('a.com'), 'tls'],
    ['dns before a listener', listener('l'), dns, 'dns'],
    ['a listener with a priority before all', http('/a'), listener('l', 100), 'listener'],
    ['generic ones by name', redis, memcache, 'generic:memcache'],
  ])('%s', (_name, one, other, expected) => {
    expect(parser(fromWeb(one), fromAll(other))).toBe(expected);
    expect(parser(fromAll(one), fromWeb(other))).toBe(expected);
    expect(parser(fromAll(other), fromWeb(one))).toBe(expected);
  });

  test('the others contribute nothing, not even that everything passes', () => {
    expect(rulesOf(fromWeb(http('/a')), fromAll({ l7: { kind: 'kafka', rules: [] } }))).toEqual([{ path: '/a' }]);
  });

  test('listeners: the smaller priority, then the name', () => {
    const name = (a: Proxy, b: Proxy): string | undefined => decide([fromWeb(a), fromAll(b)]).ruleSet?.listener?.name;
    expect(name(listener('a', 20), listener('b', 10))).toBe('b');
    expect(name(listener('b'), listener('a'))).toBe('a');
  });
});

describe('server names', () => {
  const names = (...rules: RuleText[]): unknown => decide(rules).ruleSet?.serverNames;
  test('are united', () => {
    expect(names(fromWeb(sni('b.com')), fromAll(sni('a.com', 'b.com')))).toEqual(['a.com', 'b.com']);
  });

  test('are no limit any more beside a permission without', () => {
    expect(names(fromWeb(sni('b.com')), fromAll())).toBeUndefined();
    const tls = { terminatingTls: { secret: { name: 's' } } };
    expect(names(fromWeb({ ...http('/a'), serverNames: ['a.com'], ...tls }), fromAll({ ...http('/b'), ...tls }))).toBeUndefined();
    expect(decide([fromWeb({ ...http('/a'), serverNames: ['a.com'], ...tls })]).ruleSet).toMatchObject({ serverNames: ['a.com'], tls: { terminating: { secret: { name: 's' } } } });
  });
});

describe('two rules for the same peers and port', () => {
  const error = (...rules: RuleText[]): string => {
    try {
      decide(rules);
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(PolicyModelError);
      expect(thrown).toMatchObject({ code: 'l7-conflict' });
      return (thrown as Error).message;
    }
    return '';
  };
  test.each<[string, Proxy, Proxy, RegExp]>([
    ['parsers', http('/a'), kafka, /two parsers, http and kafka,/],
    ['generic parsers', redis, memcache, /two parsers, generic:redis and generic:memcache,/],
    ['server names and dns', sni('a.com'), dns, /two parsers/],
    ['listeners', listener('a'), listener('b'), /two listeners of the same priority, a and b,/],
    ['TLS contexts', { ...http('/a'), terminatingTls: { secret: { name: 's' } } }, { ...http('/a'), terminatingTls: { secret: { name: 't' } } }, /two TLS contexts \(terminatingTls\)/],
  ])('must not ask for two %s', (_name, one, other, expected) => {
    expect(error(fromWeb(one), fromWeb(other))).toMatch(expected);
    expect(error(fromAll(one), fromAll(other))).toMatch(expected);
    expect(error(fromAll(one), fromAll(other))).toMatch(/^compile policy for ingress of .*k8s:app=db.* CiliumNetworkPolicy\/shop\/rules at line 1 and CiliumNetworkPolicy\/shop\/rules at line 1; let both/);
  });

  test('nor for two kinds of authentication', () => {
    expect(error({ ...fromWeb(), authentication: 'required' }, { ...fromWeb(), authentication: 'test-always-fail' })).toMatch(/two kinds of authentication, required and test-always-fail, for the same peers and port: CiliumNetworkPolicy\/shop\/rules at /);
    expect(error({ ...fromWeb(), authentication: 'required' }, fromWeb())).toBe('');
  });

  test.each<[string, RuleText, RuleText]>([
    ['other peers', fromWeb(http('/a')), fromAll(kafka)],
    ['another port', fromWeb(http('/a')), fromWeb(kafka, 81)],
    ['a wider port', fromWeb(http('/a')), fromWeb(kafka, '80-81')],
    ['the other direction', fromWeb(http('/a')), { ...fromWeb(kafka), direction: 'egress' }],
    ['server names beside http', fromWeb(http('/a')), fromWeb(sni('a.com'))],
    ['listeners of different priority', fromWeb(listener('a', 1)), fromWeb(listener('b', 2))],
    ['nobody', { ...fromWeb(http('/a')), peers: [{ kind: 'entity', entity: 'none', at: { line: 1, column: 1, field: '' } }] }, { ...fromWeb(kafka), peers: [{ kind: 'entity', entity: 'none', at: { line: 1, column: 1, field: '' } }] }],
  ])('may differ for %s', (_name, one, other) => {
    expect(error(one, other)).toBe('');
  });

  test('concern the endpoints alone that both select', () => {
    const { verdict } = compiled([resource('a', fromWeb(http('/a'))), resource('b', { ...fromWeb(kafka), subject: {} })]);
    expect(() => verdict('ingress', db, web)).toThrow(PolicyModelError);
    expect(verdict('ingress', web, web).ruleSet?.parser).toBe('kafka');
  });
});

describe('proxies do not stand in the way', () => {
  test('of the node, where it may always reach its endpoints', () => {
    const { verdict } = compiled([resource('rules', fromAll(http('/a')))], { options: { allowLocalhost: true } });
    expect(verdict('ingress', db, host)).toEqual({ action: 'allow', match: l4Only });
    expect(verdict('ingress', db, web).ruleSet?.parser).toBe('http');
    expect(compiled([resource('rules', fromAll(http('/a')))]).verdict('ingress', db, host).ruleSet?.parser).toBe('http');
  });

  test('where no rule asks for default deny: they observe', () => {
    const rules = rulesOf({ ...fromWeb(http('/a')), defaultDeny: false });
    expect(rules).toContainEqual({});
    expect(rules).toContainEqual({ path: '/a' });
    expect(rulesOf({ ...fromWeb(http('/a')), defaultDeny: false }, { peers: [app('other')] })).toEqual([{ path: '/a' }]);
  });
});

describe('what rules give to verdicts besides', () => {
  test('authentication: of the narrowest permission that says', () => {
    expect(decide([{ ...fromWeb(), authentication: 'required' }])).toEqual({ action: 'allow', match: l3L4, authentication: 'required' });
    expect(decide([{ ...fromWeb(), authentication: 'required' }, { peers: 'any', authentication: 'disabled' }]).authentication).toBe('required');
    expect(decide([fromWeb(), { peers: 'any', authentication: 'disabled' }]).authentication).toBe('disabled');
  });

  test('texts of the deciding rules, sorted', () => {
    expect(decide([{ ...fromWeb(), log: 'b' }, { ...fromWeb(), log: 'a' }, { peers: 'any', log: 'c' }])).toEqual({ action: 'allow', match: l3L4, log: ['a', 'b'] });
    expect(decide([{ ...fromWeb(), action: 'deny', log: 'no' }, { ...fromWeb(), log: 'yes' }]).log).toEqual(['no']);
    expect(decide([{ ...fromWeb(), tier: 'admin', priority: 1, log: 'first' }, { ...fromWeb(), tier: 'admin', priority: 2, log: 'second' }]).log).toEqual(['first']);
  });

  test('shows in the key of the row', () => {
    const key = (...rules: RuleText[]): string => compiled([resource('rules', ...rules)]).policy(db, web).ingress.byIdentity.get(web.id)!.key;
    const keys = [key(fromWeb()), key({ ...fromWeb(), log: 'a' }), key({ ...fromWeb(), authentication: 'required' }), key(fromWeb(http('/a'))), key(fromWeb(http('/b')))];
    expect(new Set(keys).size).toBe(5);
  });
});
