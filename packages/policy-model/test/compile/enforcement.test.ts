import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICY_OPTIONS, MATCH_TYPE, compilePolicy } from '../../src/index.ts';
import { pod, reserved } from '../helpers/identities.ts';
import { ccnp, cnp, decide, egress, ingress, issuesOf, repositoryOf } from '../helpers/policies.ts';

const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db' });
const host = reserved('host');
const init = reserved('init');
const world = reserved('world-ipv4');
const onDb = { endpointSelector: { matchLabels: { app: 'db' } } };

describe('modes', () => {
  const repository = repositoryOf(cnp({ ...onDb, ingress: [{ fromEndpoints: [{ matchLabels: { app: 'x' } }] }] }));
  test('default: closed per direction, for endpoints that a rule of that direction selects', () => {
    expect(decide('ingress', { repository, from: web, to: db })).toEqual({ action: 'deny-default', match: MATCH_TYPE.none, reason: 'default-deny' });
    expect(decide('egress', { repository, from: db, to: web })).toEqual({ action: 'allow', match: MATCH_TYPE.all, reason: 'no-rules' });
    expect(decide('ingress', { repository, from: db, to: web })).toEqual({ action: 'allow', match: MATCH_TYPE.all, reason: 'no-rules' });
  });

  test('always: every endpoint closed in both directions', () => {
    const options = { enforcement: 'always' } as const;
    for (const [from, to] of [[web, db], [db, web]] as const) {
      expect(ingress({ repository, from, to, options })).toBe('deny-default');
      expect(egress({ repository, from, to, options })).toBe('deny-default');
    }
  });

  test('never: rules do not count, denials included', () => {
    const denying = repositoryOf(cnp({ ...onDb, ingressDeny: [{ fromEntities: ['all'] }] }));
    expect(decide('ingress', { repository: denying, from: web, to: db, options: { enforcement: 'never' } })).toEqual({ action: 'allow', match: MATCH_TYPE.all, reason: 'enforcement-never' });
  });

  test('endpoints with reserved:init are closed in default and always, open in never', () => {
    const empty = repositoryOf();
    for (const enforcement of ['default', 'always'] as const) {
      expect(ingress({ repository: empty, from: web, to: init, options: { enforcement } })).toBe('deny-default');
      expect(egress({ repository: empty, from: init, to: web, options: { enforcement } })).toBe('deny-default');
    }
    expect(ingress({ repository: empty, from: web, to: init, options: { enforcement: 'never' } })).toBe('allow');
  });

  test('rules can open reserved:init, default deny or not', () => {
    const opening = repositoryOf(ccnp({ endpointSelector: { matchLabels: { 'reserved:init': '' } }, enableDefaultDeny: { egress: false }, egress: [{ toEntities: ['host'] }] }));
    expect(egress({ repository: opening, from: init, to: host })).toBe('allow');
    expect(egress({ repository: opening, from: init, to: web })).toBe('deny-default');
  });

  test('the host is no endpoint', () => {
    const closing = repositoryOf(ccnp({ endpointSelector: {}, ingress: [{}], egress: [{}] }));
    for (const enforcement of ['default', 'always'] as const) {
      const compiled = compilePolicy({ repository: closing, subject: host, identities: [web, host], options: { ...DEFAULT_POLICY_OPTIONS, enforcement } });
      expect([compiled.ingress.enforced, compiled.egress.enforced]).toEqual([false, false]);
      expect(compiled.ingress.any.boundaries).toEqual([{ start: 0, verdict: { action: 'allow', match: MATCH_TYPE.all } }]);
    }
  });
});

describe('default deny', () => {
  test.each([
    [{ ingress: [{}] }, 'deny-default', 'allow'],
    [{ egress: [{}] }, 'allow', 'deny-default'],
    [{ ingressDeny: [{}] }, 'deny-default', 'allow'],
    [{ egressDeny: [{}] }, 'allow', 'deny-default'],
    [{ ingress: [{}], enableDefaultDeny: { ingress: true } }, 'deny-default', 'allow'],
    [{ ingress: [{}], enableDefaultDeny: { ingress: false } }, 'allow', 'allow'],
    [{ ingress: [{}], egress: [{}], enableDefaultDeny: { ingress: false } }, 'allow', 'deny-default'],
  ])('%j: in %s, out %s', (sections, entering, leaving) => {
    const repository = repositoryOf(cnp({ ...onDb, ...sections }));
    expect(ingress({ repository, from: web, to: db })).toBe(entering);
    expect(egress({ repository, from: db, to: web })).toBe(leaving);
  });

  test('one rule with it closes for all; alone, the others deny and allow without closing', () => {
    const open = cnp({ ...onDb, enableDefaultDeny: { ingress: false }, ingressDeny: [{ fromEntities: ['host'] }], ingress: [{ fromEntities: ['world'], toPorts: [{ ports: [{ port: '80' }] }] }] }, { name: 'open', namespace: 'shop' });
    const closing = cnp({ ...onDb, ingress: [{}] }, { name: 'closing', namespace: 'shop' });
    const alone = repositoryOf(open);
    expect(decide('ingress', { repository: alone, from: host, to: db })).toEqual({ action: 'deny', match: MATCH_TYPE.l3Only, reason: 'denied-by-rule' });
    expect(decide('ingress', { repository: alone, from: web, to: db })).toEqual({ action: 'allow', match: MATCH_TYPE.all, reason: 'default-allow' });
    expect(decide('ingress', { repository: alone, from: world, to: db })).toEqual({ action: 'allow', match: MATCH_TYPE.l3L4, reason: 'allowed-by-rule' });
    const both = repositoryOf(open, closing);
    expect(ingress({ repository: both, from: host, to: db })).toBe('deny');
    expect(ingress({ repository: both, from: web, to: db })).toBe('deny-default');
    expect(ingress({ repository: both, from: world, to: db })).toBe('allow');
  });

  test('asked for without entries it has no effect, and a warning says so', () => {
    const text = cnp({ ...onDb, ingress: [{}], enableDefaultDeny: { egress: true } });
    expect(issuesOf(text)).toMatchObject([{ severity: 'warning', code: 'suspicious', field: 'spec.enableDefaultDeny.egress' }]);
    expect(egress({ repository: repositoryOf(text), from: db, to: web })).toBe('allow');
  });
});

describe('allow-localhost', () => {
  const closed = repositoryOf(cnp({ ...onDb, ingress: [{}], egress: [{}] }));
  test('lets the node enter, and nobody else, on every protocol', () => {
    const options = { allowLocalhost: true };
    expect(decide('ingress', { repository: closed, from: host, to: db, options })).toEqual({ action: 'allow', match: MATCH_TYPE.l3Only, reason: 'allow-localhost' });
    expect(ingress({ repository: closed, from: host, to: db, protocol: 47, port: 0, options })).toBe('allow');
    expect(ingress({ repository: closed, from: reserved('remote-node'), to: db, options })).toBe('deny-default');
    expect(ingress({ repository: closed, from: web, to: db, options })).toBe('deny-default');
  });

  test('does not let endpoints out to the node, and is off by default', () => {
    expect(egress({ repository: closed, from: db, to: host, options: { allowLocalhost: true } })).toBe('deny-default');
    expect(ingress({ repository: closed, from: host, to: db })).toBe('deny-default');
  });

  test('loses to a rule that denies the host', () => {
    const denying = repositoryOf(cnp({ ...onDb, ingressDeny: [{ fromEntities: ['host'], toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] }] }));
    const options = { allowLocalhost: true };
    expect(decide('ingress', { repository: denying, from: host, to: db, options })).toEqual({ action: 'deny', match: MATCH_TYPE.l3L4, reason: 'denied-by-rule' });
    expect(ingress({ repository: denying, from: host, to: db, port: 81, options })).toBe('allow');
  });
});
