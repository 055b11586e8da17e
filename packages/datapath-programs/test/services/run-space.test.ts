import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRunSpace } from '../../src/services/run-space.ts';

describe('space for runs', () => {
  it('holds as many Maglev tables as there are powers of two, in any order of coming and going', () => {
    const space = createRunSpace(2 ** 20);
    const words = Math.ceil(131_071 / 2);
    const offsets = Array.from({ length: 16 }, () => space.take(words) ?? expect.fail('no room'));
    expect([new Set(offsets).size, space.take(1)]).toEqual([16, undefined]);
    for (const index of [3, 2, 15, 0, 1]) space.give(offsets[index] ?? 0, words);
    expect([space.take(2 ** 17), space.take(words), space.take(words)].map((offset) => offset !== undefined)).toEqual([true, true, true]);
  });

  it('uses all of a size that is no power of two', () => {
    const space = createRunSpace(11);
    expect([8, 2, 1].map((count) => space.take(count) !== undefined)).toEqual([true, true, true]);
    expect(space.take(1)).toBeUndefined();
  });

  it('never hands a word out twice, claims what was taken, and is whole again in the end', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(20)), { maxLength: 60 }), (operations) => {
        const space = createRunSpace(256);
        const taken: { offset: number; count: number }[] = [];
        for (const [count, which] of operations) {
          const victim = taken[which];
          if (victim !== undefined) {
            taken.splice(which, 1);
            space.give(victim.offset, victim.count);
            continue;
          }
          const offset = space.take(count);
          if (offset === undefined) continue;
          for (const other of taken) expect(offset + count <= other.offset || other.offset + other.count <= offset).toBe(true);
          taken.push({ offset, count });
        }
        const again = createRunSpace(256);
        for (const { offset, count } of taken) expect(again.claim(offset, count)).toBe(true);
        for (const { offset, count } of taken) {
          expect(again.claim(offset, count)).toBe(false);
          space.give(offset, count);
        }
        expect(space.take(256)).toBe(0);
      }),
    );
  });
});
