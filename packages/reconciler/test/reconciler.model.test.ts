import { silentLogger } from '@cilium-ts/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createReconciler, createSyncGate, createTable } from '../src/index.ts';
import type { Item } from './fakes.ts';
import { FakeScheduler, FakeTarget, settle } from './fakes.ts';

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const value = fc.nat(3);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), id, value }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tamper' as const), id, value: fc.option(value) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break' as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('throw' as const), call: fc.constantFrom('list' as const, 'apply' as const, 'remove' as const, undefined) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('poison' as const), id: fc.option(id) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), time: fc.nat(3000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('open' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trigger' as const) }) },
  // Changes the table in the midst of whatever call comes next.
  { weight: 2, arbitrary: fc.record({ do: fc.constant('interfere' as const), id, value: fc.option(value) }) },
);

it('whatever happens, nothing is removed too early, calls never overlap, and in the end everything is as wanted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), async (steps, batchSize) => {
      const desired = createTable<Item>({ name: 'items', key: (item) => item.id, equals: (a, b) => a.value === b.value });
      const target = new FakeTarget();
      target.objects.set('z', 0);
      const scheduler = new FakeScheduler();
      const gate = createSyncGate(['source']);
      const write = (key: string, to: number | null): void => {
        if (to === null) desired.delete(key);
        else desired.upsert({ id: key, value: to });
      };
      const tooEarly: string[] = [];
      let interference: (() => void) | undefined;
      target.during = async () => {
        if (!gate.open && target.calls.at(-1)?.startsWith('remove')) tooEarly.push(target.calls.at(-1)!);
        for (let i = scheduler.time % 3; i > 0; i--) await Promise.resolve();
        interference?.();
        interference = undefined;
        await Promise.resolve();
      };
      const reconciler = createReconciler<Item, Item>(
        { logger: silentLogger, desired, target, synchronised: gate, scheduler },
        { name: 'items', keyOf: (item) => item.id, matches: (a, b) => a.value === b.value, interval: 5000, batchSize },
      );
      try {
        for (const each of steps) {
          if (each.do === 'put') write(each.id, each.value);
          if (each.do === 'delete') write(each.id, null);
          if (each.do === 'tamper' && each.value === null) target.objects.delete(each.id);
          if (each.do === 'tamper' && each.value !== null) target.objects.set(each.id, each.value);
          if (each.do === 'break' && !target.broken.delete(each.id)) target.broken.add(each.id);
          if (each.do === 'throw') target.throwing = each.call;
          if (each.do === 'poison') target.poison = each.id ?? undefined;
          if (each.do === 'advance') await scheduler.advance(each.time);
          if (each.do === 'open') gate.done('source');
          if (each.do === 'trigger') reconciler.trigger();
          if (each.do === 'interfere') interference = () => write(each.id, each.value);
        }
        await settle();
        target.broken.clear();
        target.throwing = undefined;
        target.poison = undefined;
        gate.done('source');
        // The longest wait there is, twice: interference may have come with the last call.
        await scheduler.advance(60_000);
        await scheduler.advance(60_000);
        await reconciler.settled();

        const wanted = Array.from(desired.all(), (item) => `${item.id}${item.value}`).sort();
        expect([...target.objects].map(([key, at]) => `${key}${at}`).sort()).toEqual(wanted);
        expect([...reconciler.health()].map(({ key, state }) => `${key} ${state}`).sort()).toEqual([...desired.keys()].map((key) => `${key} ok`).sort());
        expect(reconciler.status()).toMatchObject({ ok: desired.size, pending: 0, failing: 0, held: 0, listError: undefined });
        expect([target.mostAtOnce, tooEarly]).toEqual([1, []]);
      } finally {
        await reconciler.close();
      }
      expect([scheduler.timers, target.running]).toEqual([0, 0]);
    }),
    { numRuns: 200 },
  );
}, 60_000);
