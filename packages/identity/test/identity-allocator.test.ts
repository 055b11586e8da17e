import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IdentityAllocatorOptions, IdentityRecords, IdentityStore } from '../src/index.ts';
import { createIdentityAllocator, createMemoryStore, labelSet } from '../src/index.ts';

const MINUTE = 60_000;
const set = (name: string | number) => labelSet([`k8s:app=${name}`]);
const make = (options: Partial<IdentityAllocatorOptions> = {}) => createIdentityAllocator({ scope: 'global', ...options });

describe('createIdentityAllocator', () => {
  it('gives one number to one set of labels', () => {
    const allocator = make();
    const a = allocator.allocate(set('a'));
    expect(a.id).toBe(256);
    expect(allocator.allocate(labelSet(['k8s:app=a']))).toBe(a);
    expect(allocator.allocate(set('b')).id).toBe(257);
    expect(allocator.get(256)).toBe(a);
    expect(allocator.lookup(set('b'))?.id).toBe(257);
    expect([...allocator.all()].map(({ id }) => id)).toEqual([256, 257]);
    expect(make({ scope: 'local' }).allocate(set('a')).id).toBe(16_777_217);
    expect(make({ clusterId: 2 }).allocate(set('a')).id).toBe(131_072);
  });

  it('counts references', () => {
    const allocator = make();
    allocator.allocate(set('a'));
    allocator.allocate(set('a'));
    expect(allocator.release(256)).toBe(false);
    expect(allocator.lookup(set('a'))?.id).toBe(256);
    expect(allocator.release(256)).toBe(true);
    expect(allocator.lookup(set('a'))).toBeUndefined();
    expect([...allocator.all()]).toEqual([]);
    expect(allocator.release(256)).toBe(false);
    expect(allocator.release(999)).toBe(false);
    // Its labels are still known, for whoever reports an old packet, and get it back.
    expect(allocator.get(256)?.labels.text).toBe(set('a').text);
    expect(allocator.allocate(set('b')).id).toBe(257);
    expect(allocator.allocate(set('a')).id).toBe(256);
  });

  it('leaves reserved labels their numbers', () => {
    const allocator = make();
    expect(allocator.allocate(labelSet(['reserved:health'])).id).toBe(4);
    expect(allocator.lookup(labelSet(['reserved:init']))?.id).toBe(5);
    expect(allocator.get(1)?.labels.text).toBe('reserved:host=;');
    expect(allocator.release(4)).toBe(false);
    expect([...allocator.all()]).toEqual([]);
  });

  it('has a revision that follows what is in use', () => {
    const allocator = make();
    const steps = [allocator.revision];
    for (const step of [() => allocator.allocate(set('a')), () => allocator.allocate(set('a')), () => allocator.release(256), () => allocator.release(256)]) {
      step();
      steps.push(allocator.revision);
    }
    expect(steps).toEqual([0, 1, 1, 1, 2]);
  });

  it('gives a released number to other labels only when all others are gone and the delay is over', () => {
    let time = 0;
    const allocator = make({ range: { first: 300, last: 302 }, now: () => time });
    for (const name of ['a', 'b', 'c']) allocator.allocate(set(name));
    allocator.release(301);
    expect(() => allocator.allocate(set('d'))).toThrow(expect.objectContaining({ code: 'exhausted', message: expect.stringMatching(/all 3 numbers are taken, 1 of them released/) as string }) as Error);
    expect(allocator.lookup(set('d'))).toBeUndefined();
    time = 10 * MINUTE;
    expect(allocator.allocate(set('d')).id).toBe(301);
    expect(allocator.get(301)?.labels.text).toBe(set('d').text);
    // The labels that lost their number get another one.
    allocator.release(300);
    time += 10 * MINUTE;
    expect(allocator.allocate(set('b')).id).toBe(300);
  });

  it('is not kept from its numbers by a clock that was set back', () => {
    let time = 1000 * MINUTE;
    const allocator = make({ range: { first: 300, last: 300 }, now: () => time });
    allocator.allocate(set('a'));
    allocator.release(300);
    time = 0;
    expect(allocator.allocate(set('b')).id).toBe(300);
  });

  it('goes round the range, and remembers no more than it should', () => {
    let time = 0;
    const allocator = make({ range: { first: 300, last: 309 }, remember: 2, now: () => time });
    const given: number[] = [];
    for (let i = 0; i < 25; i++) {
      time += 10 * MINUTE;
      given.push(allocator.allocate(set(i)).id);
      allocator.release(given.at(-1)!);
    }
    for (let i = 0; i + 7 <= given.length; i++) expect(new Set(given.slice(i, i + 7)).size).toBe(7);
    expect(allocator.get(given[22]!)).toBeUndefined();
    expect(allocator.get(given[24]!)).toBeDefined();
  });

  it('refuses an impossible range', () => {
    expect(() => make({ range: { first: 1, last: 300 } })).toThrow(RangeError);
    expect(() => make({ range: { first: 301, last: 300 } })).toThrow(RangeError);
    expect(() => make({ clusterId: -1 })).toThrow(RangeError);
  });
});

describe('over a restart', () => {
  it('gives the same numbers, in whatever order they are asked for', () => {
    const store = createMemoryStore();
    const before = make({ store });
    for (const name of ['a', 'b', 'c']) before.allocate(set(name));
    before.release(257);
    const after = make({ store });
    expect([...after.all()]).toEqual([]);
    expect([...after.unclaimed()].map(({ id }) => id)).toEqual([256, 258]);
    expect(after.allocate(set('new')).id).toBe(259);
    expect(['c', 'b', 'a'].map((name) => after.allocate(set(name)).id)).toEqual([258, 257, 256]);
    expect([...after.unclaimed()]).toEqual([]);
  });

  it('releases what nobody claims, when told to', () => {
    let time = 0;
    const store = createMemoryStore();
    const options = { store, range: { first: 300, last: 301 }, now: () => time };
    make(options).allocate(set('a'));
    const after = make(options);
    after.allocate(set('b'));
    time = 1000 * MINUTE;
    expect(() => after.allocate(set('c'))).toThrow(/all 2 numbers/);
    after.releaseUnclaimed();
    after.releaseUnclaimed();
    expect(after.get(300)?.labels.text).toBe(set('a').text);
    time += 10 * MINUTE;
    expect(after.allocate(set('c')).id).toBe(300);
  });

  it('keeps the time of release', () => {
    let time = 0;
    const store = createMemoryStore();
    const options = { store, range: { first: 300, last: 300 }, now: () => time };
    const before = make(options);
    before.allocate(set('a'));
    before.release(300);
    time = 9 * MINUTE;
    expect(() => make(options).allocate(set('b'))).toThrow(/1 of them released/);
    time = 10 * MINUTE;
    expect(make(options).allocate(set('b')).id).toBe(300);
  });

  it('saves once per batch', () => {
    let saves = 0;
    const memory = createMemoryStore();
    const store: IdentityStore = { load: memory.load, save: (records) => { saves++; memory.save(records); } };
    const allocator = make({ store });
    allocator.batch(() => {
      for (let i = 0; i < 100; i++) allocator.allocate(set(i));
      allocator.batch(() => allocator.release(256));
    });
    expect(saves).toBe(1);
    expect(() => allocator.batch(() => { allocator.allocate(set('x')); throw new Error('after'); })).toThrow('after');
    expect(saves).toBe(2);
    expect(memory.records()?.identities).toHaveLength(101);
    allocator.batch(() => undefined);
    expect(saves).toBe(2);
  });
});

describe('when the store fails', () => {
  it('gives out no number that was not saved', () => {
    let broken = false;
    const memory = createMemoryStore();
    const store: IdentityStore = {
      load: memory.load,
      save(records) {
        if (broken) throw new Error('no space left');
        memory.save(records);
      },
    };
    const allocator = make({ store });
    allocator.allocate(set('a'));
    allocator.allocate(set('z'));
    allocator.release(257);
    broken = true;
    const fails = expect.objectContaining({ code: 'store-write', message: 'save global identities: no space left' }) as Error;
    expect(() => allocator.allocate(set('b'))).toThrow(fails);
    expect(allocator.lookup(set('b'))).toBeUndefined();
    expect(() => allocator.release(256)).toThrow(fails);
    expect(allocator.lookup(set('a'))?.id).toBe(256);
    expect(() => allocator.allocate(set('z'))).toThrow(fails);
    expect(allocator.lookup(set('z'))).toBeUndefined();
    broken = false;
    expect(allocator.allocate(set('z')).id).toBe(257);
    expect(allocator.release(256)).toBe(true);
  });

  it('says that it could not read', () => {
    const store: IdentityStore = { load: () => { throw new Error('permission denied'); }, save: () => undefined };
    expect(() => make({ store })).toThrow(expect.objectContaining({ code: 'store-read', message: 'read identity store: permission denied' }) as Error);
  });

  const good: IdentityRecords = { version: 1, scope: 'global', next: 257, identities: [{ id: 256, labels: [{ source: 'k8s', key: 'a', value: '' }] }] };
  const [first] = good.identities;
  it.each([
    ['text', /field \(whole\)/],
    [null, /field \(whole\)/],
    [{}, /field version/],
    [{ ...good, version: 2 }, /field version/],
    [{ ...good, scope: 'local' }, /field scope: expected global, found local/],
    [{ ...good, next: 'x' }, /field next/],
    [{ ...good, identities: [{ ...first, id: 255 }] }, /field identities\.0\.id: 255 is out of range/],
    [{ ...good, identities: [{ ...first, id: 65_536 }] }, /out of range/],
    [{ ...good, identities: [{ id: 256 }] }, /field identities\.0\.labels/],
    [{ ...good, identities: [first, { ...first, id: 257 }] }, /identities\.1\.labels: k8s:a=; occurs twice/],
    [{ ...good, identities: [first, { ...first, labels: [] }] }, /identities\.1\.id: 256 occurs twice/],
    [{ ...good, identities: [{ ...first, labels: [{ source: 'k8s', key: '', value: '' }] }] }, /identities\.0\.labels\.0\.key/],
  ])('changes nothing about a store that holds %j', (content, message) => {
    let saves = 0;
    const store: IdentityStore = { load: () => content, save: () => void saves++ };
    expect(() => make({ store })).toThrow(expect.objectContaining({ code: 'store-corrupt', message: expect.stringMatching(message) as string }) as Error);
    expect(saves).toBe(0);
  });

  it('accepts what it should', () => {
    expect(make({ store: createMemoryStore(good) }).allocate(labelSet(['k8s:a'])).id).toBe(256);
  });
});

describe('any sequence of steps', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('allocate' as const), name: fc.nat(11) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('release' as const), name: fc.nat(11) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), name: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), name: fc.nat(12) }) },
  );

  it('never gives one number to two sets, nor one set two numbers, nor a number back too soon', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let time = 0;
        const options = { store: createMemoryStore(), range: { first: 256, last: 263 }, remember: 3, now: () => time };
        let allocator = make(options);
        /** What is in use: label text → number and references; and when numbers were released, with whose labels. */
        let used = new Map<string, { id: number; references: number }>();
        const released = new Map<number, { text: string; at: number }>();
        for (const each of steps) {
          const labels = set(each.name);
          const held = used.get(labels.text);
          if (each.do === 'wait') time += each.name * MINUTE;
          if (each.do === 'restart') {
            allocator = make(options);
            const before = used;
            used = new Map();
            for (const [text, { id }] of before) {
              const again = allocator.allocate(labelSet(text.split(';').filter(Boolean)));
              expect(again.id).toBe(id);
              used.set(text, { id, references: 1 });
            }
          }
          if (each.do === 'release' && held !== undefined) {
            expect(allocator.release(held.id)).toBe(held.references === 1);
            if (--held.references === 0) {
              used.delete(labels.text);
              released.set(held.id, { text: labels.text, at: time });
            }
          }
          if (each.do === 'allocate') {
            let id: number;
            try {
              ({ id } = allocator.allocate(labels));
            } catch {
              const resting = [...released.values()].filter(({ at }) => time - at < 10 * MINUTE).length;
              expect(used.size + resting).toBeGreaterThanOrEqual(8);
              expect(held).toBeUndefined();
              continue;
            }
            if (held === undefined) {
              expect([...used.values()].map((other) => other.id)).not.toContain(id);
              const last = released.get(id);
              if (last !== undefined && last.text !== labels.text) expect(time - last.at).toBeGreaterThanOrEqual(10 * MINUTE);
              released.delete(id);
              used.set(labels.text, { id, references: 1 });
            } else {
              expect(id).toBe(held.id);
              held.references++;
            }
          }
          expect(Array.from(allocator.all(), ({ id, labels: all }) => `${id} ${all.text}`).sort()).toEqual([...used].map(([text, { id }]) => `${id} ${text}`).sort());
        }
      }),
      { numRuns: 300 },
    );
  });
});
