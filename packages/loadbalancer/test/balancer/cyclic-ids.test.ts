import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCyclicIds } from '../../src/balancer/cyclic-ids.ts';

test('a number that was given back comes up again only after all others', () => {
  const ids = createCyclicIds(1, 4);
  expect([ids.take(), ids.take()]).toEqual([1, 2]);
  ids.release(1);
  expect([ids.take(), ids.take(), ids.take(), ids.take()]).toEqual([3, 4, 1, undefined]);
});

test('takeExactly takes free numbers of the range only', () => {
  const ids = createCyclicIds(5, 9, 2);
  expect(ids.takeExactly(7)).toBe(true);
  expect([7, 4, 10, 5.5, -1].map((id) => ids.takeExactly(id))).toEqual([false, false, false, false, false]);
  expect(ids.take()).toBe(8);
  expect([ids.take(), ids.takeExactly(5), ids.used]).toEqual([undefined, false, 2]);
});

test('nobody shares a number, and none is refused while there is room', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('take' as const), fc.integer({ min: 0, max: 9 }))), (script) => {
      const ids = createCyclicIds(1, 8);
      const held = new Set<number>();
      for (const step of script) {
        if (step === 'take') {
          const id = ids.take();
          expect(id === undefined).toBe(held.size === 8);
          if (id === undefined) continue;
          expect(held.has(id)).toBe(false);
          held.add(id);
        } else {
          ids.release(step);
          held.delete(step);
        }
        expect(ids.used).toBe(held.size);
      }
    }),
  );
});
