import { describe, expect, test } from 'vitest';
import { MATCH_TYPE } from '../../src/index.ts';
import { pod, reserved } from '../helpers/identities.ts';
import type { RuleText } from '../helpers/compiled-rules.ts';
import { app, compiled, everybody, port, resource } from '../helpers/compiled-rules.ts';

const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db' });
const { all, l3Only, l3L4, l4Only, none } = MATCH_TYPE;

const admin = (text: RuleText): RuleText => ({ tier: 'admin', ...text });
const baseline = (text: RuleText): RuleText => ({ tier: 'baseline', ...text });
const fromWeb = { peers: [app('web')] };
const on80 = { ports: [port(80)] };

/** The verdict of ingress to the database on port 80, from the rules of one resource. */
const decide = (rules: RuleText[], number = 80) => {
  const { action, match } = compiled([resource('rules', ...rules)]).verdict('ingress', db, web, number);
  return [action, match];
};

describe('tiers are asked in turn', () => {
  test.each<[string, RuleText[], [string, number]]>([
    ['an admin deny beats an allow', [admin({ action: 'deny', ...fromWeb }), fromWeb], ['deny', l3Only]],
    ['an admin allow beats a deny', [admin({ ...fromWeb, ...on80 }), { action: 'deny', ...fromWeb }], ['allow', l3L4]],
    ['an admin allow opens what is denied by default', [admin(fromWeb), { peers: [app('other')] }], ['allow', l3Only]],
    ['pass leaves it to the policies: denied', [admin({ action: 'pass', ...fromWeb }), { action: 'deny', ...fromWeb }], ['deny', l3Only]],
    ['pass leaves it to the policies: allowed', [admin({ action: 'pass', ...fromWeb }), { ...fromWeb, ...on80 }], ['allow', l3L4]],
    ['pass leaves it to the policies: denied by default', [admin({ action: 'pass', ...fromWeb }), { peers: [app('other')] }], ['deny-default', none]],
    ['pass leaves it to the baseline where no policy selects the endpoint', [admin({ action: 'pass', ...fromWeb }), baseline({ action: 'deny', ...fromWeb })], ['deny', l3Only]],
    ['pass overtakes later admin rules', [admin({ action: 'pass', ...fromWeb, priority: 1 }), admin({ action: 'deny', ...fromWeb, priority: 2 })], ['allow', all]],
    ['and not earlier ones', [admin({ action: 'pass', ...fromWeb, priority: 2 }), admin({ action: 'deny', ...fromWeb, priority: 1 })], ['deny', l3Only]],
    ['the baseline denies what nothing else decides', [baseline({ action: 'deny', ...fromWeb })], ['deny', l3Only]],
    ['the baseline is not asked where a policy denies by default', [{ peers: [app('other')] }, baseline(fromWeb)], ['deny-default', none]],
    ['the baseline is not asked where a policy allows', [fromWeb, baseline({ action: 'deny', ...fromWeb })], ['allow', l3Only]],
    ['a policy without default deny leaves the rest to the baseline', [{ peers: [app('other')], defaultDeny: false }, baseline({ action: 'deny', ...fromWeb })], ['deny', l3Only]],
    ['what it allows it allows', [{ ...fromWeb, defaultDeny: false }, baseline({ action: 'deny', ...fromWeb })], ['allow', l3Only]],
    ['what nothing decides is allowed', [admin({ action: 'deny', peers: [app('other')] })], ['allow', all]],
    ['admin rules alone close nothing', [admin(fromWeb)], ['allow', l3Only]],
  ])('%s', (_name, rules, expected) => {
    expect(decide(rules)).toEqual(expected);
  });

  test('position by position', () => {
    const rules = [
      admin({ action: 'deny', ports: [port('10-19')], priority: 1 }),
      admin({ action: 'pass', ports: [port('15-29')], priority: 2 }),
      admin({ action: 'deny', ports: [port('0-39')], priority: 3 }),
      { ...fromWeb, ports: [port('0-24')] },
    ];
    const actions = [5, 12, 17, 22, 27, 35, 45].map((number) => decide(rules, number)[0]);
    expect(actions).toEqual(['deny', 'deny', 'deny', 'allow', 'deny-default', 'deny', 'deny-default']);
  });
});

describe('within admin and baseline the first rule decides', () => {
  test.each<[string, RuleText[], string]>([
    ['by priority', [admin({ action: 'deny', priority: 5 }), admin({ action: 'allow', priority: 4 })], 'allow'],
    ['deny does not beat allow', [admin({ action: 'allow', priority: 4 }), admin({ action: 'deny', priority: 5 })], 'allow'],
    ['by place in the policy', [admin({ action: 'deny' }), admin({ action: 'allow' })], 'deny'],
    ['by place in the policy, the other way round', [admin({ action: 'allow' }), admin({ action: 'deny' })], 'allow'],
    ['a narrow rule does not beat an earlier wide one', [admin({ action: 'deny', peers: [everybody] }), admin({ ...fromWeb, ...on80 })], 'deny'],
    ['baseline: by place', [baseline({ action: 'allow' }), baseline({ action: 'deny' })], 'allow'],
    ['baseline: by priority', [baseline({ action: 'allow', priority: 1 }), baseline({ action: 'deny', priority: 0 })], 'deny'],
  ])('%s', (_name, rules, expected) => {
    expect(decide(rules)[0]).toBe(expected);
  });

  test('equal priorities go by the key of the resource', () => {
    const deny = resource('a', admin({ action: 'deny' }));
    const allow = resource('b', admin({ action: 'allow' }));
    expect(compiled([allow, deny]).verdict('ingress', db, web).action).toBe('deny');
    expect(compiled([resource('c', admin({ action: 'deny' })), allow]).verdict('ingress', db, web).action).toBe('allow');
  });

  test('the match type is that of the narrowest permission or widest denial of the rule', () => {
    expect(decide([admin({ peers: [app('web'), everybody], ...on80 })])).toEqual(['allow', l4Only]);
    expect(decide([admin({ peers: [app('web')], ports: [port(80), port('*')] })])).toEqual(['allow', l3L4]);
    expect(decide([admin({ action: 'deny', peers: [app('web'), everybody] })])).toEqual(['deny', all]);
  });
});

describe('modes', () => {
  const deny = resource('rules', admin({ action: 'deny' }), baseline({ action: 'deny' }));
  test('never: no tier is asked', () => {
    expect(compiled([deny], { options: { enforcement: 'never' } }).verdict('ingress', db, web).action).toBe('allow');
  });

  test('always: what the policies leave open is denied before the baseline', () => {
    const open = resource('rules', baseline({ action: 'allow' }));
    expect(compiled([open], { options: { enforcement: 'always' } }).verdict('ingress', db, web).action).toBe('deny-default');
    const first = resource('rules', admin({ action: 'allow' }));
    expect(compiled([first], { options: { enforcement: 'always' } }).verdict('ingress', db, web).action).toBe('allow');
  });

  test('allow-localhost is a permission of a policy: an admin denial beats it, a baseline one does not', () => {
    const host = reserved('host');
    const options = { allowLocalhost: true };
    expect(compiled([deny], { options }).verdict('ingress', db, host).action).toBe('deny');
    expect(compiled([resource('rules', baseline({ action: 'deny' }))], { options }).verdict('ingress', db, host).action).toBe('allow');
  });

  test('the host is an endpoint with the host firewall alone, and then for rules that name it alone', () => {
    const host = reserved('host');
    const rules = resource('rules', { node: true, ports: [port(22)] }, { subject: {}, ports: [port(80)] }, { subject: { 'reserved:host': '' }, ports: [port(443)] });
    expect(compiled([rules]).policy(host, web).ingress.enforced).toBe(false);
    const options = { hostFirewall: true };
    expect(compiled([rules], { options }).verdict('ingress', host, web, 22).action).toBe('allow');
    for (const other of [80, 443]) expect(compiled([rules], { options }).verdict('ingress', host, web, other).action).toBe('deny-default');
    expect(compiled([rules], { options }).verdict('ingress', db, web, 80).action).toBe('allow');
    expect(compiled([rules], { options }).verdict('ingress', db, web, 22).action).toBe('deny-default');
  });
});
