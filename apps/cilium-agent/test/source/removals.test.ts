import { beforeEach, describe, expect, it } from 'vitest';
import { createRemovals } from '../../src/source/removals.ts';
import type { Removals } from '../../src/source/removals.ts';

let clock: number;
let removals: Removals;
beforeEach(() => {
  clock = 1_000_000;
  removals = createRemovals({ steady: () => clock - 900_000, wall: () => clock });
});
/** A look at a folder that was changed so many milliseconds ago. */
const look = (missing: string[], { ino = 1n, age = 0 } = {}) => removals.hold(missing, { dev: 1n, ino, birthtimeMs: 0n, mtimeMs: BigInt(clock - age) });
const after = (milliseconds: number): void => { clock += milliseconds; };

describe('a file that is missing', () => {
  it('counts as removed when nothing has happened in the folder for a moment', () => {
    look([]);
    after(5000);
    expect(look(['a'])).toEqual({ held: ['a'], wait: 100 });
    after(60);
    expect(look(['a'], { age: 60 })).toEqual({ held: ['a'], wait: 40 });
    after(40);
    expect(look(['a'], { age: 100 })).toEqual({ held: [], wait: undefined });
  });

  it('is waited for a second at most where something happens all the time', () => {
    look([]);
    for (let at = 0; at < 20; at++) {
      expect(look(['a']).held).toEqual(['a']);
      after(50);
    }
    expect(look(['a', 'b'])).toEqual({ held: ['b'], wait: 100 });
  });

  it('is waited for longer where the folder is another one, or was away', () => {
    look([]);
    after(5000);
    expect(look(['a'], { ino: 2n })).toEqual({ held: ['a'], wait: 1000 });
    after(999);
    expect(look(['a'], { ino: 2n, age: 999 }).held).toEqual(['a']);
    after(1);
    expect(look(['a'], { ino: 2n, age: 1000 }).held).toEqual([]);
    expect(look(['b'], { ino: 2n })).toEqual({ held: ['b'], wait: 100 });
    removals.folderGone();
    expect(look(['b'], { ino: 2n })).toEqual({ held: ['b'], wait: 1000 });
  });

  it('has been removed where the folder that took the place was complete long ago', () => {
    look([]);
    expect(look(['a'], { ino: 2n, age: 60_000 })).toEqual({ held: [], wait: undefined });
  });

  it('is not waited for forever in a folder whose time lies in the future', () => {
    look([], { age: -60_000 });
    const mtimeMs = BigInt(clock + 60_000);
    expect(removals.hold(['a'], { dev: 1n, ino: 1n, birthtimeMs: 0n, mtimeMs }).held).toEqual(['a']);
    after(100);
    expect(removals.hold(['a'], { dev: 1n, ino: 1n, birthtimeMs: 0n, mtimeMs }).held).toEqual([]);
  });
});
