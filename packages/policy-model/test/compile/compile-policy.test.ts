import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICY_OPTIONS as options, MATCH_TYPE, PolicyModelError, compilePolicy, createPolicyRepository, lookupRow, parsePolicies, rowForPeer } from '../../src/index.ts';
import { identity, pod, reserved } from '../helpers/identities.ts';
import { cnp, repositoryOf } from '../helpers/policies.ts';

const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db' });
const queue = pod('shop', { app: 'queue' });
const policy = cnp({
  endpointSelector: { matchLabels: { app: 'db' } },
  ingress: [{ fromEndpoints: [{ matchLabels: { app: 'web' } }] }, { toPorts: [{ ports: [{ port: '9000', protocol: 'TCP' }] }] }],
});

describe('an identity', () => {
  const { ingress, egress } = compilePolicy({ repository: repositoryOf(policy), subject: db, identities: [web, db, queue], options });

  test('has a row of its own only where its verdicts differ', () => {
    expect([...ingress.byIdentity.keys()]).toEqual([web.id]);
    expect(ingress.any.key).toBe('0n0,402216a3,402217n0');
    expect(ingress.byIdentity.get(web.id)!.key).toBe('0a1,402216a3,402217a1');
    expect([egress.enforced, egress.byIdentity.size, egress.any.key]).toEqual([false, 0, '0a4']);
  });

  test('that nobody named gets what is for everybody', () => {
    const row = rowForPeer(ingress, identity(4711, ['k8s:app=web']).id);
    expect(row).toBe(ingress.any);
    expect(lookupRow(row, 6, 9000)).toEqual({ action: 'allow', match: MATCH_TYPE.l4Only });
    expect(lookupRow(row, 6, 80).action).toBe('deny-default');
  });

  test('for which a negated term holds has a row of its own, too', () => {
    const negated = cnp({ endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchExpressions: [{ key: 'reserved:host', operator: 'DoesNotExist' }] }] }] });
    const compiled = compilePolicy({ repository: repositoryOf(negated), subject: db, identities: [web, reserved('host')], options });
    expect([...compiled.ingress.byIdentity.keys()]).toEqual([web.id]);
    expect(compiled.ingress.any.key).toBe('0n0');
  });
});

describe('sharing', () => {
  test('endpoints with the same rules share rows, and their policies a key', () => {
    const repository = repositoryOf(cnp({ endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { app: 'web' } }] }] }));
    const [a, b] = [db, queue].map((subject) => compilePolicy({ repository, subject, identities: [web, db, queue], options }));
    expect(a!.key).toBe(b!.key);
    expect(a!.ingress.byIdentity.get(web.id)).toBe(b!.ingress.byIdentity.get(web.id));
  });

  test('rows stay the same objects across changes that do not concern them', () => {
    const repository = repositoryOf(policy);
    const compile = () => compilePolicy({ repository, subject: db, identities: [web, db, queue], options });
    const before = compile();
    repository.upsert(parsePolicies(cnp({ endpointSelector: { matchLabels: { app: 'queue' } }, egress: [{}] }, { name: 'other', namespace: 'shop' })).resources[0]!);
    const after = compile();
    expect(after.key).toBe(before.key);
    expect(after.ingress.any).toBe(before.ingress.any);
    expect(after.ingress.byIdentity.get(web.id)).toBe(before.ingress.byIdentity.get(web.id));
  });

  test('the key does not depend on the order of identities, and changes with content', () => {
    const repository = repositoryOf(policy);
    const key = (...identities: (typeof web)[]) => compilePolicy({ repository, subject: db, identities, options }).key;
    expect(key(web, queue, db)).toBe(key(db, web, queue));
    expect(key(queue)).not.toBe(key(web));
    expect(key(web)).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('changes', () => {
  test('show at once: added, replaced, removed, replaced as a whole', () => {
    const repository = createPolicyRepository();
    const web80 = (): string => lookupRow(rowForPeer(compilePolicy({ repository, subject: db, identities: [web], options }).ingress, web.id), 6, 80).action;
    const put = (text: string) => repository.upsert(parsePolicies(text).resources[0]!);
    expect(web80()).toBe('allow');
    put(policy);
    expect(web80()).toBe('allow');
    put(cnp({ endpointSelector: {}, ingress: [{}] }));
    expect(web80()).toBe('deny-default');
    repository.remove('CiliumNetworkPolicy/shop/web');
    expect(web80()).toBe('allow');
    repository.replaceAll(parsePolicies(cnp({ endpointSelector: {}, ingressDeny: [{ fromEntities: ['all'] }] })).resources);
    expect(web80()).toBe('deny');
  });

  test('an identity whose labels change is another peer under the same number', () => {
    const repository = repositoryOf(policy);
    const row = (labels: typeof web.labels) => rowForPeer(compilePolicy({ repository, subject: db, identities: [{ id: web.id, labels }], options }).ingress, web.id).key;
    expect(row(web.labels)).not.toBe(row(queue.labels));
  });

  test('selectors of policies that are gone are forgotten in time, without a change of verdicts', { timeout: 60_000 }, () => {
    const repository = createPolicyRepository();
    for (let round = 0; round < 6; round++) {
      const ingress = Array.from({ length: 500 }, (_, i) => ({ fromEndpoints: [{ matchLabels: { app: `r${round}-${i}` } }] }));
      repository.replaceAll(parsePolicies(cnp({ endpointSelector: { matchLabels: { app: 'db' } }, ingress })).resources);
      const peer = pod('shop', { app: `r${round}-7` });
      const gone = pod('shop', { app: `r${round - 1}-7` });
      const compiled = compilePolicy({ repository, subject: db, identities: [peer, gone], options });
      expect([...compiled.ingress.byIdentity.keys()]).toEqual([peer.id]);
    }
  });
});

test('a policy that needs too large a row is refused by name; others still compile', () => {
  const rules = Array.from({ length: 600 }, (_, i) => ({ fromEndpoints: [{ matchLabels: { app: 'web' } }], toPorts: [{ ports: [{ port: String(1 + 2 * i), protocol: 'TCP' }] }] }));
  const repository = repositoryOf(cnp({ endpointSelector: { matchLabels: { app: 'db' } }, ingress: rules }));
  const compile = (subject: typeof db) => compilePolicy({ repository, subject, identities: [web], options });
  try {
    compile(db);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyModelError);
    expect(error).toMatchObject({ code: 'row-too-large' });
    expect((error as Error).message).toMatch(/^compile policy for ingress of .*k8s:app=db.*: 1201 changes of verdict/);
  }
  expect(compile(queue).ingress.enforced).toBe(false);
});
