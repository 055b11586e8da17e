import { parseCidr, type Cidr } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import { AddressBook } from '../../src/write/address-book.ts';
import { createGraceTracker } from '../../src/write/grace.ts';
import { createInsertGate } from '../../src/write/insert-gate.ts';
import { createRemotes } from '../../src/write/remotes.ts';
import { createRowSpace } from '../../src/write/row-space.ts';
import { createRowStore } from '../../src/write/row-store.ts';
import type { Slot } from '../../src/state/desired.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { row } from '../support/world.ts';

/** Grace periods that end when the test says so. */
function manualGrace() {
  const waiting: (() => void)[] = [];
  const grace = createGraceTracker(() => new Promise<void>((resolve) => void waiting.push(resolve)));
  const pass = async (): Promise<void> => {
    await Promise.resolve();
    for (const end of waiting.splice(0)) end();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { grace, pass };
}

const cidr = (text: string): Cidr => parseCidr(text) ?? expect.fail(text);

describe('a grace period', () => {
  it('does not count for what was unlinked after it began', async () => {
    const { grace, pass } = manualGrace();
    grace.start(grace.mark());
    await new Promise((resolve) => setImmediate(resolve));
    const late = grace.mark();
    const done = grace.wait(late);
    await pass();
    expect(grace.passed(late)).toBe(false);
    await pass();
    await done;
    expect(grace.passed(late)).toBe(true);
  });

  it('is reported when the kernel refuses it, and asked for again', async () => {
    let calls = 0;
    const grace = createGraceTracker(async () => {
      if (calls++ === 0) throw new Error('not now');
    });
    const mark = grace.mark();
    await expect(grace.wait(mark)).rejects.toThrow('not now');
    await grace.wait(mark);
    expect(grace.passed(mark)).toBe(true);
  });
});

describe('the gate of a hash', () => {
  it('is closed by a deletion until a grace period has passed', async () => {
    const { grace, pass } = manualGrace();
    const gate = createInsertGate(grace);
    await gate.opened();
    gate.close();
    let opened = false;
    const waiting = gate.opened().then(() => (opened = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect([gate.isOpen, opened]).toEqual([false, false]);
    await pass();
    await waiting;
    expect(gate.isOpen).toBe(true);
  });

  it('is closed by whatever takes an address out or leads it elsewhere', async () => {
    const { grace } = manualGrace();
    const store = createMemoryStore();
    const closings: string[] = [];
    const gate = { opened: async () => undefined, isOpen: true, close: () => void closings.push('closed') };
    const book = new AddressBook(store, { grace, gate, remotes: createRemotes(store.remotes, () => 0) }, []);
    book.publishRemote(cidr('10.0.0.1'), { identity: 300 });
    book.publishRemote(cidr('10.0.0.1'), { identity: 301 });
    expect(closings).toHaveLength(0);
    book.publishLocal(cidr('10.0.0.1'), 3 as Slot);
    expect(closings).toHaveLength(1);
    book.unpublish(cidr('10.0.0.1'));
    expect(closings).toHaveLength(2);
  });
});

describe('what is given back', () => {
  it('a row’s words rest for a grace period, unless the same content is wanted again', async () => {
    const { grace, pass } = manualGrace();
    const rows = createRowStore(createMemoryStore({ rows: 8 }).rows, grace);
    const first = rows.acquire(row(80, 443)) ?? expect.fail('no room');
    rows.release(first);
    rows.reclaim();
    expect(rows.acquire(row(1, 3))).toBeUndefined();
    expect(rows.acquire(row(80, 443))).toBe(first);
    rows.release(first);
    const passed = grace.wait(grace.mark());
    await pass();
    await passed;
    rows.reclaim();
    expect(rows.acquire(row(1, 3))).toBeDefined();
  });

  it('a remote index rests for a grace period', async () => {
    const { grace, pass } = manualGrace();
    const store = createMemoryStore({ remotes: 2 });
    const book = new AddressBook(store, { grace, gate: createInsertGate(grace), remotes: createRemotes(store.remotes, () => 0) }, []);
    expect(book.publishRemote(cidr('10.0.0.1'), { identity: 300 })).toBeUndefined();
    book.unpublish(cidr('10.0.0.1'));
    expect(book.publishRemote(cidr('10.0.0.2'), { identity: 300 })).toMatchObject({ failed: 'remotes-full' });
    const passed = grace.wait(grace.mark());
    await pass();
    await passed;
    expect(book.publishRemote(cidr('10.0.0.2'), { identity: 300 })).toBeUndefined();
  });
});

describe('row space', () => {
  it('joins what is given back, in whatever order', () => {
    const space = createRowSpace(17, 1);
    const runs = [4, 4, 4, 4].map((count) => space.take(count) ?? expect.fail('no room'));
    expect([space.free, space.take(1)]).toEqual([0, undefined]);
    for (const index of [2, 0, 3, 1]) space.give(runs[index] ?? 0, 4);
    expect(space.take(16)).toBe(1);
  });

  it('claims exactly the run that is asked for, once', () => {
    const space = createRowSpace(16, 1);
    expect([space.claim(4, 4), space.claim(7, 1), space.claim(0, 1), space.claim(8, 8)]).toEqual([true, false, false, true]);
    expect([space.take(4), space.take(3)]).toEqual([undefined, 1]);
  });
});
