import { describe, expect, it } from 'vitest';
import { rawMapCompliance } from '../src/compliance.ts';
import { memoryMap } from '../src/index.ts';

describe('maps in memory', () => {
  for (const each of rawMapCompliance()) {
    it(each.name, () => {
      expect(each.run({ create: memoryMap, cpus: 4 })).toBeUndefined();
    });
  }
});

describe('the suite itself', () => {
  const cases = rawMapCompliance();

  it('has a name of its own for every case', () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it.each<[string, (...args: never[]) => unknown]>([
    ['lookup', () => undefined],
    ['update', () => undefined],
    ['delete', () => true],
    ['entries', () => []],
    ['deleteBatch', () => 0],
    ['updateBatch', () => undefined],
  ])('notices a broken %s', (method, broken) => {
    const failing = cases.filter((each) => {
      try {
        each.run({ create: (options) => Object.assign(memoryMap(options), { [method]: broken }), cpus: 2 });
        return false;
      } catch {
        return true;
      }
    });
    expect(failing.length).toBeGreaterThan(4);
  });
});
