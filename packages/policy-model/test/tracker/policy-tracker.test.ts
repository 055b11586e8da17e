import fc from 'fast-check';
import { parseCidr } from '@cilium-ts/core';
import type { Identity, NumericIdentity } from '@cilium-ts/identity';
import { labelSet } from '@cilium-ts/identity';
import { describe, expect, test } from 'vitest';
import type { NamedPort, Peer, PolicyDelta, PolicyModelError, PolicyOptions, PolicyResource, PolicyRow, RuleSet } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, compilePolicy, createPolicyDirectory, createPolicyRepository, createPolicyTracker, parsePolicies } from '../../src/index.ts';
import { identity, outside, pod, reserved } from '../helpers/identities.ts';
import type { RuleText } from '../helpers/compiled-rules.ts';
import { app, everybody, http, port, prefix, resource } from '../helpers/compiled-rules.ts';
import { IDENTITIES, PODS, documents, options as randomOptions } from '../helpers/random-policies.ts';

const at = { line: 1, column: 1, field: '' };

/** What somebody knows who has been given every delta. */
class Follower {
  readonly subjects = new Map<NumericIdentity, { error?: string; sides: Record<'ingress' | 'egress', { enforced: boolean; any: PolicyRow; rows: Map<NumericIdentity, PolicyRow> }> }>();
  readonly ruleSets = new Set<RuleSet>();

  apply({ subjects, ruleSets }: PolicyDelta): void {
    for (const [id, delta] of subjects) {
      if (delta.kind === 'removed') expect(this.subjects.delete(id)).toBe(true);
      else if (delta.kind === 'failed') this.subjects.set(id, { error: delta.error.message, sides: {} as never });
      else {
        let known = this.subjects.get(id);
        if (known === undefined || known.error !== undefined) this.subjects.set(id, (known = { sides: {} as never }));
        else expect(delta.ingress ?? delta.egress, 'a delta that says nothing').toBeDefined();
        for (const direction of ['ingress', 'egress'] as const) {
          const change = delta[direction];
          if (change === undefined) continue;
          const side = (known.sides[direction] ??= { enforced: true, any: undefined as never, rows: new Map() });
          for (const peer of change.removed) expect(side.rows.delete(peer), 'removed what was not there').toBe(true);
          for (const [peer, row] of change.upserted) {
            expect(side.rows.get(peer), 'upserted what was there').not.toBe(row);
            side.rows.set(peer, row);
          }
          if (change.any !== undefined) side.any = change.any;
          side.enforced = change.enforced;
        }
      }
    }
    for (const ruleSet of ruleSets.gone) expect(this.ruleSets.delete(ruleSet)).toBe(true);
    for (const ruleSet of ruleSets.appeared) {
      expect(this.ruleSets.has(ruleSet)).toBe(false);
      this.ruleSets.add(ruleSet);
    }
  }
}

const L7 = http('/a');
const KAFKA = { l7: { kind: 'kafka', rules: [{ apiKeys: [1] }] } } as const;
const manyPorts: RuleText = { peers: [app('web')], ports: Array.from({ length: 600 }, (_, i) => port(1 + 2 * i)) };

const peers: fc.Arbitrary<Peer[] | 'any'> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('any' as const) },
  { weight: 6, arbitrary: fc.array(
    fc.oneof(
      fc.constantFrom('web', 'db', 'queue').map(app),
      fc.constantFrom('198.51.100.0/24', '203.0.113.0/24').map((text) => prefix(text)),
      fc.constantFrom<Peer>(everybody, { kind: 'entity', entity: 'host', at }, { kind: 'entity', entity: 'none', at }),
      fc.constantFrom<Peer>({ kind: 'service', service: { namespace: 'shop', name: 'front' }, at }, { kind: 'group', group: 'aws:1', at }, { kind: 'cidr-group', group: { name: 'lan' }, except: [parseCidr('198.51.100.128/25')!], at }),
    ),
    { minLength: 1, maxLength: 2 },
  ) },
);
const ports = fc.array(fc.constantFrom(port(80, L7), port(80, KAFKA), port(80), port('1-100', L7), port('http'), port('http', L7), port(53, undefined, 17)), { minLength: 1, maxLength: 2 });
const ruleText: fc.Arbitrary<RuleText> = fc.record({
  direction: fc.constantFrom<'ingress' | 'egress'>('ingress', 'egress'),
  action: fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'allow', 'deny'),
  tier: fc.constantFrom('normal' as const, 'normal' as const, 'admin' as const, 'baseline' as const),
  priority: fc.nat(2),
  subject: fc.constantFrom<Record<string, string>>({ app: 'db' }, { app: 'web' }, {}),
  peers,
  defaultDeny: fc.boolean(),
  log: fc.constantFrom('a', 'b'),
}, { requiredKeys: ['direction', 'action', 'tier', 'priority', 'subject', 'peers', 'defaultDeny'] }).chain((rule) => fc.option(ports, { nil: undefined }).map((list) => ({ ...rule, defaultDeny: rule.tier === 'normal' && rule.defaultDeny, ...(list && { ports: list }) })));
const ruled: fc.Arbitrary<PolicyResource> = fc.tuple(fc.nat(4), fc.oneof({ weight: 4, arbitrary: fc.array(ruleText, { minLength: 1, maxLength: 3 }) }, { weight: 1, arbitrary: fc.constant([manyPorts]) })).map(([n, rules]) => resource(`rules-${n}`, ...rules));
const group: fc.Arbitrary<PolicyResource> = fc.subarray(['198.51.100.0/24', '203.0.113.0/24', '203.0.113.7/32']).map((texts) => ({ ...resource('lan'), kind: 'CiliumCIDRGroup', key: 'CiliumCIDRGroup//lan', group: { prefixes: texts.map((text) => parseCidr(text)!), labels: labelSet([]) } }));
const parsed: fc.Arbitrary<PolicyResource[]> = documents.map((texts) => texts.flatMap((text) => [...parsePolicies(text).resources]));

type Step =
  | { readonly kind: 'resources'; readonly resources: readonly PolicyResource[] }
  | { readonly kind: 'drop' | 'add' | 'remove' | 'subject' | 'no-subject' | 'take' | 'ports' | 'service' | 'group' | 'read'; readonly n: number }
  | { readonly kind: 'relabel'; readonly n: number; readonly m: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: ruled.map((one) => ({ kind: 'resources' as const, resources: [one] })) },
  { weight: 1, arbitrary: group.map((one) => ({ kind: 'resources' as const, resources: [one] })) },
  { weight: 2, arbitrary: parsed.map((resources) => ({ kind: 'resources' as const, resources })) },
  { weight: 12, arbitrary: fc.tuple(fc.constantFrom('drop', 'add', 'add', 'remove', 'subject', 'subject', 'no-subject', 'take', 'take', 'ports', 'service', 'group', 'read'), fc.nat(40)).map(([kind, n]) => ({ kind: kind as 'drop', n })) },
  { weight: 2, arbitrary: fc.tuple(fc.nat(40), fc.nat(40)).map(([n, m]) => ({ kind: 'relabel' as const, n, m })) },
);

const pick = <T>(list: readonly T[], n: number): T => list[n % list.length]!;
const PORTS: readonly (readonly NamedPort[])[] = [[], [{ name: 'http', protocol: 6, port: 8080 }], [{ name: 'http', protocol: 6, port: 80 }, { name: 'http', protocol: 6, port: 81 }]];
const SERVICES = [{ selector: { app: 'web' } }, { selector: { app: 'db' } }, { addresses: [parseCidr('203.0.113.7/32')!] }, undefined];

function play(steps: readonly Step[], chosen: PolicyOptions) {
  const directory = createPolicyDirectory();
  const repository = createPolicyRepository({ directory });
  const tracker = createPolicyTracker({ repository, options: chosen });
  const follower = new Follower();
  const identities = new Map<NumericIdentity, Identity>();
  const subjects = new Map<NumericIdentity, { subject: Identity; namedPorts?: readonly NamedPort[] }>();
  const act: Record<Step['kind'], (step: never) => void> = {
    resources: ({ resources }: Extract<Step, { kind: 'resources' }>) => resources.forEach((one) => repository.upsert(one)),
    drop: ({ n }: { n: number }) => void (repository.all().length > 0 && repository.remove(pick(repository.all(), n).key)),
    add: ({ n }: { n: number }) => {
      const one = pick(IDENTITIES, n);
      identities.set(one.id, one);
      tracker.addIdentity(one);
    },
    relabel: ({ n, m }: { n: number; m: number }) => {
      const one = identity(pick(IDENTITIES, n).id, pick(IDENTITIES, m).labels);
      identities.set(one.id, one);
      tracker.addIdentity(one);
    },
    remove: ({ n }: { n: number }) => expect(tracker.removeIdentity(pick(IDENTITIES, n).id)).toBe(identities.delete(pick(IDENTITIES, n).id)),
    subject: ({ n }: { n: number }) => {
      const subject = pick([...PODS, reserved('init')], n);
      const namedPorts = n % 5 === 0 ? { namedPorts: pick(PORTS, n) } : {};
      subjects.set(subject.id, { subject, ...namedPorts });
      tracker.addSubject(subject, namedPorts);
    },
    'no-subject': ({ n }: { n: number }) => expect(tracker.removeSubject(pick(PODS, n).id)).toBe(subjects.delete(pick(PODS, n).id)),
    ports: ({ n }: { n: number }) => directory.setNamedPorts(pick(IDENTITIES, n).id, pick(PORTS, n)),
    service: ({ n }: { n: number }) => {
      const service = pick(SERVICES, n);
      if (service === undefined) directory.removeService('shop', 'front');
      else directory.setService({ namespace: 'shop', name: 'front', ...service });
    },
    group: ({ n }: { n: number }) => directory.setGroup('aws:1', n % 2 === 0 ? [parseCidr('198.51.100.0/24')!] : []),
    take: () => follower.apply(tracker.take()),
    read: ({ n }: { n: number }) => {
      try {
        tracker.policy(pick(PODS, n).id);
      } catch (error) {
        expect((error as PolicyModelError).code).toMatch(/^(?:row-too-large|l7-conflict)$/);
      }
    },
  };
  for (const one of steps) act[one.kind](one as never);
  follower.apply(tracker.take());
  return { tracker, follower, repository, directory, identities, subjects };
}

const text = (any: PolicyRow, enforced: boolean, rows: ReadonlyMap<NumericIdentity, PolicyRow>) => ({ any: any.key, enforced, rows: [...rows].sort(([a], [b]) => a - b).map(([id, row]) => `${id} ${row.key}`) });

test('deltas added up are what a fresh compile gives, after any sequence of changes', { timeout: 120_000 }, () => {
  let failed = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), randomOptions, (steps, chosen) => {
      const { tracker, follower, repository, directory, identities, subjects } = play(steps, chosen);
      const fresh = createPolicyRepository({ directory });
      fresh.replaceAll(repository.all());
      expect([...follower.subjects.keys()].sort()).toEqual([...subjects.keys()].sort());
      const used = new Set<string>();
      for (const [id, { subject, namedPorts }] of subjects) {
        const known = follower.subjects.get(id)!;
        try {
          const policy = compilePolicy({ repository: fresh, subject, identities: identities.values(), options: chosen, ...(namedPorts && { namedPorts }) });
          expect(known.error).toBeUndefined();
          for (const side of ['ingress', 'egress'] as const) {
            const { any, enforced, byIdentity } = policy[side];
            expect(text(known.sides[side].any, known.sides[side].enforced, known.sides[side].rows)).toEqual(text(any, enforced, byIdentity));
          }
          for (const ruleSet of policy.ruleSets) used.add(ruleSet.id);
          expect(tracker.policy(id)!.key).toBe(policy.key);
          expect(tracker.policy(id)).toBe(tracker.policy(id));
        } catch (error) {
          if ((error as PolicyModelError).name !== 'PolicyModelError') throw error;
          failed++;
          expect(known.error?.split(': ')[0]).toBe((error as Error).message.split(': ')[0]);
          expect(() => tracker.policy(id)).toThrow(known.error!);
        }
      }
      if (follower.subjects.size > 0 && [...follower.subjects.values()].every(({ error }) => error === undefined)) {
        expect([...follower.ruleSets].map(({ id }) => id).sort()).toEqual([...used].sort());
      }
      const nothing = tracker.take();
      expect([nothing.subjects.size, nothing.ruleSets.appeared.length, nothing.ruleSets.gone.length]).toEqual([0, 0, 0]);
      for (const id of subjects.keys()) tracker.removeSubject(id);
      follower.apply(tracker.take());
      expect([follower.subjects.size, follower.ruleSets.size, tracker.stats.plans, tracker.stats.selectors]).toEqual([0, 0, 0, 0]);
    }),
    { numRuns: 300, seed: 20260722 },
  );
  expect(failed).toBeGreaterThanOrEqual(5);
});

describe('only what a change touches is looked at', () => {
  const clients = 200;
  const setup = () => {
    const repository = createPolicyRepository();
    // Every server has a policy of its own that allows a client of its own.
    repository.replaceAll(Array.from({ length: clients }, (_, i) => resource(`policy-${i}`, { subject: { app: `server-${i}` }, peers: [app(`client-${i}`)], ports: [port(80)] })));
    const tracker = createPolicyTracker({ repository, options: DEFAULT_POLICY_OPTIONS });
    for (let i = 0; i < clients; i++) {
      tracker.addIdentity(pod('shop', { app: `client-${i}` }));
      tracker.addIdentity(pod('shop', { app: `server-${i}` }));
      tracker.addSubject(pod('shop', { app: `server-${i}` }));
    }
    tracker.take();
    const work = () => ({ evaluations: tracker.stats.evaluations, rows: tracker.stats.rows });
    return { repository, tracker, since: (before: ReturnType<typeof work>) => ({ evaluations: work().evaluations - before.evaluations, rows: work().rows - before.rows }), work };
  };

  test('when an identity comes and goes', () => {
    const { tracker, work, since } = setup();
    const before = work();
    const newcomer = pod('shop', { app: 'client-7', version: '2' });
    const server = pod('shop', { app: 'server-7' });
    tracker.addIdentity(newcomer);
    const appeared = tracker.take();
    expect([...appeared.subjects.keys()]).toEqual([server.id]);
    expect(appeared.subjects.get(server.id)).toMatchObject({ kind: 'changed', ingress: { enforced: true, upserted: new Map([[newcomer.id, { key: expect.stringContaining('a2') as string }]]), removed: new Set() } });
    expect(since(before)).toEqual({ evaluations: 1, rows: 1 });
    tracker.removeIdentity(newcomer.id);
    expect(tracker.take().subjects.get(server.id)).toMatchObject({ ingress: { upserted: new Map(), removed: new Set([newcomer.id]) } });
    expect(since(before)).toEqual({ evaluations: 1, rows: 2 });
    tracker.addIdentity(newcomer);
    tracker.removeIdentity(newcomer.id);
    expect(tracker.take().subjects.size).toBe(0);
    tracker.addIdentity(pod('shop', { app: 'nobody-knows' }));
    expect(tracker.take().subjects.size).toBe(0);
  });

  test('when a policy is replaced', () => {
    const { tracker, repository, work, since } = setup();
    const before = work();
    const server = pod('shop', { app: 'server-7' });
    repository.upsert(resource('policy-7', { subject: { app: 'server-7' }, peers: [app('client-7'), app('client-8')], ports: [port(80)] }));
    const delta = tracker.take();
    expect([...delta.subjects.keys()]).toEqual([server.id]);
    expect(delta.subjects.get(server.id)).toMatchObject({ ingress: { upserted: new Map([[pod('shop', { app: 'client-8' }).id, {}]]), removed: new Set() } });
    expect(delta.subjects.get(server.id)).not.toHaveProperty('egress');
    expect(since(before)).toEqual({ evaluations: 0, rows: 2 });
    repository.upsert(resource('policy-7', { subject: { app: 'server-7' }, peers: [app('client-8'), app('client-7')], ports: [port(80)] }));
    expect(tracker.take().subjects.size).toBe(0);
  });

  test('when a rule for everybody comes, and goes', () => {
    const { tracker, repository } = setup();
    const server = pod('shop', { app: 'server-7' });
    const client = pod('shop', { app: 'client-7' });
    repository.upsert(resource('everybody', { subject: { app: 'server-7' }, ports: [port(443)] }));
    const opened = tracker.take().subjects;
    expect([...opened.keys()]).toEqual([server.id]);
    expect(opened.get(server.id)).toMatchObject({ ingress: { any: { key: '0n0,393659a3,393660n0' }, upserted: new Map([[client.id, {}]]) } });
    repository.remove('CiliumNetworkPolicy/shop/everybody');
    expect(tracker.take().subjects.get(server.id)).toMatchObject({ ingress: { any: { key: '0n0' }, upserted: new Map([[client.id, {}]]) } });
  });
});

describe('subjects', () => {
  test('with the same rules share a plan, and what changes in it', () => {
    const repository = createPolicyRepository();
    repository.upsert(resource('all', { subject: {}, peers: [app('web')] }));
    const tracker = createPolicyTracker({ repository, options: DEFAULT_POLICY_OPTIONS });
    const subjects = [pod('shop', { app: 'db' }), pod('shop', { app: 'queue' })];
    for (const subject of subjects) tracker.addSubject(subject);
    tracker.take();
    expect(tracker.stats.plans).toBe(2);
    const web = pod('shop', { app: 'web' });
    tracker.addIdentity(web);
    const { subjects: changed } = tracker.take();
    const [one, other] = subjects.map(({ id }) => changed.get(id) as { ingress: object });
    expect(one!.ingress).toBe(other!.ingress);
    expect(tracker.policy(subjects[0]!.id)!.ingress).toBe(tracker.policy(subjects[1]!.id)!.ingress);
    repository.upsert(resource('one', { subject: { app: 'db' }, peers: [app('queue')] }));
    expect([...tracker.take().subjects.keys()]).toEqual([]);
    tracker.addIdentity(subjects[1]!);
    expect([...tracker.take().subjects.keys()]).toEqual([subjects[0]!.id]);
  });

  test('whose policy can not be compiled fail alone, are told of once, and come back whole', () => {
    const repository = createPolicyRepository();
    const tracker = createPolicyTracker({ repository, options: DEFAULT_POLICY_OPTIONS });
    const [db, queue, web] = [pod('shop', { app: 'db' }), pod('shop', { app: 'queue' }), pod('shop', { app: 'web' })];
    for (const one of [db, queue]) tracker.addSubject(one);
    repository.upsert(resource('big', manyPorts, { subject: { app: 'queue' }, peers: [app('web')] }));
    expect([...tracker.take().subjects.values()].map(({ kind }) => kind)).toEqual(['changed', 'changed']);
    tracker.addIdentity(web);
    const failed = tracker.take();
    expect(failed.subjects.get(db.id)).toMatchObject({ kind: 'failed', error: { code: 'row-too-large' } });
    expect(failed.subjects.get(queue.id)).toMatchObject({ kind: 'changed' });
    expect(() => tracker.policy(db.id)).toThrow('1201 changes of verdict');
    tracker.addIdentity(pod('shop', { app: 'other' }));
    expect(tracker.take().subjects.size).toBe(0);
    tracker.removeIdentity(web.id);
    const back = tracker.take().subjects.get(db.id);
    expect(back).toMatchObject({ kind: 'changed', ingress: { any: { key: '0n0' } }, egress: { any: { key: '0a4' } } });
  });

  test('that are none have no policy', () => {
    const tracker = createPolicyTracker({ repository: createPolicyRepository(), options: DEFAULT_POLICY_OPTIONS });
    expect(tracker.policy(pod('shop', { app: 'db' }).id)).toBeUndefined();
    expect(tracker.removeSubject(pod('shop', { app: 'db' }).id)).toBe(false);
  });
});

test('rule sets appear with the first and go with the last that uses them', () => {
  const repository = createPolicyRepository();
  const tracker = createPolicyTracker({ repository, options: DEFAULT_POLICY_OPTIONS });
  const [db, queue] = [pod('shop', { app: 'db' }), pod('shop', { app: 'queue' })];
  tracker.addIdentity(pod('shop', { app: 'web' }));
  tracker.addSubject(db);
  tracker.addSubject(queue);
  repository.upsert(resource('l7', { subject: {}, peers: [app('web')], ports: [port(80, L7)] }));
  const { appeared } = tracker.take().ruleSets;
  expect(appeared).toMatchObject([{ parser: 'http' }]);
  tracker.removeSubject(db.id);
  expect(tracker.take().ruleSets).toEqual({ appeared: [], gone: [] });
  repository.upsert(resource('l7', { subject: {}, peers: [app('web')], ports: [port(80, http('/b'))] }));
  const changed = tracker.take().ruleSets;
  expect(changed.gone).toEqual(appeared);
  expect(changed.appeared).toHaveLength(1);
  tracker.removeSubject(queue.id);
  expect(tracker.take().ruleSets).toEqual({ appeared: [], gone: changed.appeared });
});

test('a policy somebody holds does not change any more', () => {
  const repository = createPolicyRepository();
  repository.upsert(resource('all', { subject: {}, peers: [app('web'), prefix('198.51.100.0/24')] }));
  const tracker = createPolicyTracker({ repository, options: DEFAULT_POLICY_OPTIONS });
  const db = pod('shop', { app: 'db' });
  tracker.addSubject(db);
  const before = tracker.policy(db.id)!;
  tracker.addIdentity(outside('198.51.100.0/24'));
  const after = tracker.policy(db.id)!;
  expect([before.ingress.byIdentity.size, after.ingress.byIdentity.size]).toEqual([0, 1]);
  expect(after.egress).toBe(before.egress);
});

test('a closed tracker leaves its directory alone', () => {
  const repository = createPolicyRepository();
  const tracker = createPolicyTracker({ repository, options: DEFAULT_POLICY_OPTIONS });
  tracker.addSubject(pod('shop', { app: 'db' }));
  tracker.close();
  tracker.close();
  expect(() => repository.directory.setNamedPorts(pod('shop', { app: 'db' }).id, PORTS[1]!)).not.toThrow();
});
