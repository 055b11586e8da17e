import { describe, expect, it } from 'vitest';
import { createCommitLoop } from '../../src/compile/commit-loop.ts';

const gate = () => {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => { open = resolve; });
  return { open, opened };
};

describe('createCommitLoop', () => {
  it('does what is asked for together once', async () => {
    let runs = 0;
    const loop = createCommitLoop(() => Promise.resolve(++runs));
    expect(await Promise.all([loop.commit(), loop.commit(), loop.commit()])).toEqual([1, 1, 1]);
  });

  it('answers a question asked during a run with the next run', async () => {
    const gates = [gate(), gate()];
    let runs = 0;
    const loop = createCommitLoop(async () => {
      const run = runs++;
      await gates[run]?.opened;
      return run;
    });
    const first = loop.commit();
    await expect.poll(() => runs).toBe(1);
    const [second, third] = [loop.commit(), loop.commit()];
    gates[0]?.open();
    expect(await first).toBe(0);
    gates[1]?.open();
    expect([await second, await third]).toEqual([1, 1]);
    expect(loop.busy).toBe(false);
  });

  it('hands on a failure and goes on', async () => {
    let runs = 0;
    const loop = createCommitLoop(() => (++runs === 1 ? Promise.reject(new Error('no')) : Promise.resolve(runs)));
    await expect(loop.commit()).rejects.toThrow('no');
    expect(await loop.commit()).toBe(2);
  });

  it('waits for the run under way when closed, and refuses the rest', async () => {
    const { open, opened } = gate();
    let done = false;
    const loop = createCommitLoop(async () => {
      await opened;
      done = true;
    });
    const first = loop.commit();
    await new Promise((resolve) => { setTimeout(resolve, 5); });
    const second = loop.commit();
    const closing = loop.close();
    open();
    await Promise.all([closing, first]);
    expect(done).toBe(true);
    await expect(second).rejects.toThrow(/stopping/);
    await expect(loop.commit()).rejects.toThrow(/stopping/);
  });
});
