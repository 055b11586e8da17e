import { silentLogger } from '@cilium-ts/core';
import { afterEach, describe, expect, it } from 'vitest';
import type { Reconciler, ReconcilerOptions } from '../src/index.ts';
import { createReconciler, createSyncGate, createTable } from '../src/index.ts';
import type { Item } from './fakes.ts';
import { FakeScheduler, FakeTarget, settle } from './fakes.ts';

const running: Reconciler[] = [];
afterEach(async () => {
  for (const reconciler of running.splice(0)) await reconciler.close();
});

function setUp(options: { sources?: string[]; wanted?: Item[]; there?: Record<string, number> } & Partial<ReconcilerOptions<Item, Item>> = {}) {
  const { sources = [], wanted = [], there = {}, ...rest } = options;
  const desired = createTable<Item>({ name: 'items', key: ({ id }) => id, equals: (a, b) => a.value === b.value });
  for (const item of wanted) desired.upsert(item);
  const target = new FakeTarget();
  for (const [id, value] of Object.entries(there)) target.objects.set(id, value);
  const scheduler = new FakeScheduler();
  const gate = createSyncGate(sources);
  const reconciler = createReconciler<Item, Item>(
    { logger: silentLogger, desired, target, synchronised: gate, scheduler },
    { name: 'items', keyOf: ({ id }) => id, matches: (a, b) => a.value === b.value, ...rest },
  );
  running.push(reconciler);
  const put = (id: string, value: number): boolean => desired.upsert({ id, value });
  return { desired, target, scheduler, gate, reconciler, put };
}
const content = (target: FakeTarget): string => [...target.objects].map(([id, value]) => `${id}${value}`).sort().join();

describe('createReconciler', () => {
  it('starts with a full pass that repairs only what differs', async () => {
    const { target, reconciler } = setUp({ wanted: [{ id: 'a', value: 1 }, { id: 'b', value: 2 }, { id: 'c', value: 3 }], there: { a: 1, b: 9, z: 0 } });
    await settle();
    expect(content(target)).toBe('a1,b2,c3');
    expect(target.calls).toEqual(['list', 'remove z', 'apply b,c']);
    expect(reconciler.status()).toMatchObject({ name: 'items', ok: 3, pending: 0, failing: 0, held: 0, passes: 1, lastPass: 0, listError: undefined });
  });

  it('follows changes without listing again', async () => {
    const { target, reconciler, desired, put } = setUp();
    await settle();
    put('a', 1);
    put('b', 1);
    await reconciler.settled();
    expect(content(target)).toBe('a1,b1');
    put('a', 2);
    desired.delete('b');
    await reconciler.settled();
    expect(content(target)).toBe('a2');
    expect(target.calls).toEqual(['list', 'apply a,b', 'remove b', 'apply a']);
    expect([...reconciler.health()].map(({ key, state }) => `${key} ${state}`)).toEqual(['a ok']);
  });

  it('repairs at each full pass what others have done', async () => {
    const { target, scheduler, reconciler } = setUp({ wanted: [{ id: 'a', value: 1 }, { id: 'b', value: 1 }], interval: 1000 });
    await settle();
    target.objects.delete('a');
    target.objects.set('b', 7);
    target.objects.set('z', 7);
    await scheduler.advance(999);
    expect(content(target)).toBe('b7,z7');
    await scheduler.advance(1);
    expect(content(target)).toBe('a1,b1');
    target.objects.clear();
    reconciler.trigger();
    await reconciler.settled();
    expect(content(target)).toBe('a1,b1');
    expect(reconciler.status().passes).toBe(3);
  });

  it('does not lose a trigger that comes while it lists', async () => {
    const { target, reconciler } = setUp({ wanted: [{ id: 'a', value: 1 }] });
    await settle();
    let first = true;
    target.during = () => {
      if (first) reconciler.trigger();
      first = false;
    };
    reconciler.trigger();
    await settle();
    expect(reconciler.status().passes).toBe(3);
  });

  it('makes batches', async () => {
    const { target } = setUp({ wanted: ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, value: 1 })), there: { v: 1, w: 1, x: 1 }, batchSize: 2 });
    await settle();
    expect(target.calls).toEqual(['list', 'remove v,w', 'remove x', 'apply a,b', 'apply c,d', 'apply e']);
  });

  it('refuses nonsense', () => {
    expect(() => setUp({ batchSize: 0 })).toThrow(/batchSize/);
    expect(() => setUp({ interval: 0 })).toThrow(/interval/);
    expect(() => setUp({ interval: Number.NaN })).toThrow(/interval/);
  });
});

describe('before all sources have synchronised', () => {
  it('nothing is removed, and afterwards everything that must', async () => {
    const { target, gate, reconciler, desired, put } = setUp({ sources: ['files'], wanted: [{ id: 'a', value: 1 }, { id: 'b', value: 1 }], there: { a: 1, z: 1 } });
    await reconciler.settled();
    put('c', 1);
    desired.delete('b');
    desired.delete('a');
    await reconciler.settled();
    expect(content(target)).toBe('a1,b1,c1,z1');
    expect(reconciler.status()).toMatchObject({ ok: 1, held: 3 });
    expect(reconciler.healthOf('z')).toMatchObject({ state: 'held', action: 'remove' });
    put('a', 2);
    await reconciler.settled();
    expect(content(target)).toBe('a2,b1,c1,z1');
    gate.done('files');
    await settle();
    expect(content(target)).toBe('a2,c1');
    expect(reconciler.status()).toMatchObject({ ok: 2, held: 0 });
  });

  it('not even what was wanted while its application is under way', async () => {
    const { target, reconciler, desired, put } = setUp({ sources: ['files'] });
    await reconciler.settled();
    target.during = () => {
      desired.delete('a');
    };
    put('a', 1);
    await reconciler.settled();
    expect(content(target)).toBe('a1');
    expect(reconciler.healthOf('a')).toMatchObject({ state: 'held', action: 'remove' });
  });
});

describe('failures', () => {
  it('are tried again after a growing wait, and do not keep others back', async () => {
    const { target, scheduler, reconciler } = setUp({ wanted: [{ id: 'a', value: 1 }, { id: 'b', value: 1 }], backoff: { initial: 100, max: 500 } });
    target.broken.add('a');
    await reconciler.settled();
    expect(content(target)).toBe('b1');
    expect(reconciler.healthOf('a')).toEqual({ key: 'a', state: 'failing', action: 'apply', attempts: 1, since: 0, retryAt: 100, error: 'no room', code: 'E2BIG' });
    const tries: number[] = [];
    for (let time = 0; time < 2000; time += 50) {
      target.calls.length = 0;
      await scheduler.advance(50);
      if (target.calls.length > 0) tries.push(scheduler.time);
    }
    expect(tries).toEqual([100, 300, 700, 1200, 1700]);
    expect(reconciler.healthOf('a')).toMatchObject({ attempts: 6, since: 0 });
    target.broken.clear();
    await scheduler.advance(500);
    expect(content(target)).toBe('a1,b1');
    expect(reconciler.healthOf('a')).toMatchObject({ state: 'ok', attempts: 0, error: undefined });
  });

  it('are tried at once in a new form', async () => {
    const { target, reconciler, put } = setUp({ wanted: [{ id: 'a', value: 1 }] });
    target.broken.add('a');
    await reconciler.settled();
    target.broken.clear();
    put('a', 2);
    await reconciler.settled();
    expect(content(target)).toBe('a2');
  });

  it('to remove are reported until they are gone', async () => {
    const { target, scheduler, reconciler, desired } = setUp({ wanted: [{ id: 'a', value: 1 }] });
    await settle();
    target.broken.add('a');
    desired.delete('a');
    await reconciler.settled();
    expect(reconciler.healthOf('a')).toMatchObject({ state: 'failing', action: 'remove', attempts: 1 });
    target.broken.clear();
    await scheduler.advance(100);
    expect([reconciler.healthOf('a'), content(target)]).toEqual([undefined, '']);
  });

  it('of a whole call count for all of it, and one object cannot fail the others for ever', async () => {
    const { target, scheduler, reconciler } = setUp({ wanted: ['a', 'b', 'c'].map((id) => ({ id, value: 1 })) });
    target.poison = 'b';
    await reconciler.settled();
    expect(reconciler.status()).toMatchObject({ failing: 3 });
    await scheduler.advance(100);
    expect(content(target)).toBe('a1,c1');
    expect(reconciler.status()).toMatchObject({ ok: 2, failing: 1 });
    expect(reconciler.healthOf('b')).toMatchObject({ error: 'poisoned', code: undefined });
  });

  it('to list are tried again, and changes go on', async () => {
    const { target, scheduler, reconciler, put } = setUp({ there: { z: 1 } });
    target.throwing = 'list';
    await reconciler.settled();
    put('a', 1);
    await reconciler.settled();
    expect(content(target)).toBe('a1,z1');
    expect(reconciler.status()).toMatchObject({ passes: 0, listError: 'list is broken' });
    await scheduler.advance(100);
    target.throwing = undefined;
    await scheduler.advance(200);
    expect(content(target)).toBe('a1');
    expect(reconciler.status()).toMatchObject({ passes: 1, listError: undefined });
  });
});

describe('settled', () => {
  it('can be given up', async () => {
    const { target, reconciler } = setUp();
    target.during = () => new Promise(() => undefined);
    const abort = new AbortController();
    const wait = reconciler.settled({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(wait).rejects.toThrow('enough');
    await expect(reconciler.settled({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    target.during = () => undefined;
    running.length = 0;
  });

  it('fails when the reconciler closes', async () => {
    const { target, reconciler, scheduler } = setUp({ wanted: [{ id: 'a', value: 1 }] });
    let release = (): void => undefined;
    target.during = () => new Promise((resolve) => (release = resolve));
    const wait = reconciler.settled();
    await settle();
    const closing = reconciler.close();
    const rejected = expect(wait).rejects.toThrow(expect.objectContaining({ code: 'closed' }) as Error);
    release();
    await closing;
    await rejected;
    await reconciler[Symbol.asyncDispose]();
    await expect(reconciler.settled()).rejects.toThrow(/reconciler items: it is closed/);
    expect([scheduler.timers, target.running, target.calls]).toEqual([0, 0, ['list']]);
  });
});
