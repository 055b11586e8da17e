import { describe, expect, it } from 'vitest';
import { createGraceTracker } from '../../src/write/grace.ts';

/** A kernel whose grace periods end when told to. */
function kernel() {
  const ends: (() => void)[] = [];
  const gracePeriod = () => new Promise<void>((resolve) => ends.push(resolve));
  return { gracePeriod, ends, begun: () => ends.length, turn: () => new Promise<void>((resolve) => setImmediate(resolve)) };
}

describe('grace periods', () => {
  it('one serves every mark of the turn in which it was asked for', async () => {
    const { gracePeriod, ends, begun, turn } = kernel();
    const grace = createGraceTracker(gracePeriod);
    const first = grace.mark();
    grace.start(first);
    const second = grace.mark();
    grace.start(second);
    await turn();
    expect(begun()).toBe(1);
    expect(grace.passed(first)).toBe(false);
    ends[0]!();
    await grace.wait(second);
    expect([grace.passed(first), begun()]).toEqual([true, 1]);
  });

  it('one that runs already does not serve a later mark', async () => {
    const { gracePeriod, ends, begun, turn } = kernel();
    const grace = createGraceTracker(gracePeriod);
    grace.start(grace.mark());
    await turn();
    const late = grace.mark();
    const passed = grace.wait(late);
    ends[0]!();
    await turn();
    expect([grace.passed(late), begun()]).toEqual([false, 2]);
    ends[1]!();
    await passed;
    expect(grace.passed(late)).toBe(true);
  });

  it('a failure in the background is met by the next to wait', async () => {
    let count = 0;
    const grace = createGraceTracker(() => (count++ === 0 ? Promise.reject(new Error('EINTR')) : Promise.resolve()));
    const mark = grace.mark();
    grace.start(mark);
    await new Promise((resolve) => setImmediate(resolve));
    expect(grace.passed(mark)).toBe(false);
    await grace.wait(mark);
    expect(count).toBe(2);
  });
});
