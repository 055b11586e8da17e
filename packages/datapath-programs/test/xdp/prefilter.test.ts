import { cidrContains, parseIp } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPrefilter, type Prefilter } from '../../src/xdp/prefilter.ts';
import { cidrs, createPrefilterMemory, denies, physical, type PrefilterMemory } from './prefilter-memory.ts';

const texts = (prefilter: Prefilter): string[] => prefilter.list().cidrs.map(({ text }) => text);

describe('the prefilter', () => {
  it('denies what is on the list, addresses and prefixes of both families', async () => {
    const store = createPrefilterMemory();
    const prefilter = await createPrefilter({ store });
    expect(prefilter.revision).toBe(1);
    expect(await prefilter.add(cidrs('192.0.2.1', '198.51.100.0/24', '2001:db8::1', '2001:db8:1::/48'))).toEqual({ kind: 'applied', revision: 2, changed: 4 });
    const asked = ['192.0.2.1', '192.0.2.2', '198.51.100.77', '198.51.101.1', '2001:db8::1', '2001:db8::2', '2001:db8:1:2::3', '2001:db8:2::1'];
    expect(asked.map((each) => denies(store, each))).toEqual([true, false, true, false, true, false, true, false]);
    expect(prefilter.list()).toMatchObject({ revision: 2 });
    expect(texts(prefilter)).toEqual(['192.0.2.1/32', '198.51.100.0/24', '2001:db8::1/128', '2001:db8:1::/48']);
    expect(await prefilter.remove(cidrs('198.51.100.0/24', '2001:db8::1'))).toEqual({ kind: 'applied', revision: 3, changed: 2 });
    expect(asked.map((each) => denies(store, each))).toEqual([true, false, false, false, false, false, true, false]);
    await prefilter.settled();
    expect(physical(store)).toBe(2);
  });

  it('changes nothing under another revision than the one named', async () => {
    const store = createPrefilterMemory();
    const prefilter = await createPrefilter({ store });
    await prefilter.add(cidrs('10.0.0.0/8'), { revision: 1 });
    expect(await prefilter.add(cidrs('11.0.0.0/8'), { revision: 1 })).toEqual({ kind: 'stale-revision', revision: 2 });
    expect(await prefilter.remove(cidrs('10.0.0.0/8'), { revision: 3 })).toEqual({ kind: 'stale-revision', revision: 2 });
    expect([denies(store, '10.1.1.1'), denies(store, '11.1.1.1')]).toEqual([true, false]);
    expect(await prefilter.remove(cidrs('10.0.0.0/8'), { revision: 2 })).toMatchObject({ kind: 'applied', revision: 3 });
  });

  it('takes off the list only what is on it, all or nothing', async () => {
    const store = createPrefilterMemory();
    const prefilter = await createPrefilter({ store });
    await prefilter.add(cidrs('10.0.0.0/8', '10.0.0.1'));
    expect(await prefilter.remove(cidrs('10.0.0.1', '10.0.0.2', '10.0.0.0/16'))).toMatchObject({ kind: 'not-listed', revision: 2, cidrs: [{ text: '10.0.0.2/32' }, { text: '10.0.0.0/16' }] });
    expect(texts(prefilter)).toEqual(['10.0.0.0/8', '10.0.0.1/32']);
  });

  it('keeps its revision when a change would change nothing', async () => {
    const prefilter = await createPrefilter({ store: createPrefilterMemory() });
    await prefilter.add(cidrs('10.0.0.0/8'));
    expect(await prefilter.add(cidrs('10.0.0.0/8', '10.3.0.0/8'))).toEqual({ kind: 'applied', revision: 2, changed: 0 });
    expect(await prefilter.remove([])).toEqual({ kind: 'applied', revision: 2, changed: 0 });
  });

  it('a full list refuses the whole change and names itself; the others go on', async () => {
    const store = createPrefilterMemory(3);
    const prefilter = await createPrefilter({ store });
    await prefilter.add(cidrs('10.0.0.0/8', '11.0.0.0/8'));
    expect(await prefilter.add(cidrs('12.0.0.1', '12.0.0.0/8', '13.0.0.0/8', '2001:db8::/32'))).toEqual({ kind: 'full', revision: 2, list: 'prefixes4', capacity: 3, needed: 4 });
    expect([denies(store, '12.0.0.1'), denies(store, '2001:db8::1'), physical(store)]).toEqual([false, false, 2]);
    expect(await prefilter.add(cidrs('12.0.0.1', '12.0.0.2', '12.0.0.3', '12.0.0.0/8'))).toMatchObject({ kind: 'applied', revision: 3 });
    // what leaves makes room at once
    expect(await prefilter.remove(cidrs('10.0.0.0/8', '11.0.0.0/8'))).toMatchObject({ kind: 'applied' });
    expect(await prefilter.add(cidrs('14.0.0.0/8', '15.0.0.0/8'))).toMatchObject({ kind: 'applied' });
    expect(['10.0.0.1', '12.0.0.9', '14.0.0.1', '15.0.0.1'].map((each) => denies(store, each))).toEqual([false, true, true, true]);
  });

  it('a prefix within a denied one comes and goes without a gap', async () => {
    const store = createPrefilterMemory();
    const prefilter = await createPrefilter({ store });
    await prefilter.add(cidrs('10.0.0.0/8'));
    let always = true;
    store.onStep = () => (always &&= denies(store, '10.1.2.3'));
    await prefilter.add(cidrs('10.1.0.0/16'));
    await prefilter.remove(cidrs('10.1.0.0/16'));
    await prefilter.settled();
    await prefilter.add(cidrs('10.1.0.0/16'));
    await prefilter.remove(cidrs('10.0.0.0/8'));
    await prefilter.settled();
    expect([always, denies(store, '10.1.2.3'), denies(store, '10.2.2.3')]).toEqual([true, true, false]);
  });

  it('is found again after a restart', async () => {
    const store = createPrefilterMemory();
    const first = await createPrefilter({ store });
    await first.add(cidrs('10.0.0.0/8', '2001:db8::7', '192.0.2.0/25'));
    await first.remove(cidrs('192.0.2.0/25'));
    await first.close();
    const second = await createPrefilter({ store });
    expect([second.revision, texts(second), physical(store)]).toEqual([3, ['10.0.0.0/8', '2001:db8::7/128'], 2]);
  });

  it('serves changes one after the other, and none once it is closed', async () => {
    const prefilter = await createPrefilter({ store: createPrefilterMemory() });
    const outcomes = await Promise.all([prefilter.add(cidrs('10.0.0.0/8'), { revision: 1 }), prefilter.add(cidrs('11.0.0.0/8'), { revision: 1 }), prefilter.remove(cidrs('10.0.0.0/8'), { revision: 2 })]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['applied', 'stale-revision', 'applied']);
    await prefilter.close();
    await expect(prefilter.add(cidrs('10.0.0.0/8'))).rejects.toMatchObject({ code: 'closed' });
  });
});

class Crash extends Error {}

const POOL = cidrs('0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3', '10.1.2.4', '::/0', '2001:db8::/32', '2001:db8:1::/48', '2001:db8:1::1', '2001:db8:1::2');
const PROBES = ['10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.3.3', '10.2.2.2', '11.1.1.1', '2001:db8:1::1', '2001:db8:1::2', '2001:db8:1::3', '2001:db8:2::1', '2001:db9::1'];
const view = (store: PrefilterMemory): string => PROBES.map((each) => (denies(store, each) ? '1' : '0')).join('');
const expected = (members: ReadonlySet<string>): string =>
  PROBES.map((each) => (POOL.some((cidr) => members.has(cidr.text) && cidrContains(cidr, parseIp(each)!)) ? '1' : '0')).join('');

const change = fc.record({ kind: fc.constantFrom('add', 'remove'), cidrs: fc.uniqueArray(fc.constantFrom(...POOL), { minLength: 1, maxLength: 6, selector: ({ text }) => text }) });

/** What the list is after a change; undefined: refused. */
function after(members: ReadonlySet<string>, { kind, cidrs: named }: { kind: string; cidrs: readonly { text: string }[] }): Set<string> | undefined {
  const next = new Set(members);
  if (kind === 'remove' && named.some(({ text }) => !members.has(text))) return undefined;
  for (const { text } of named) if (kind === 'add') next.add(text);
  else next.delete(text);
  return next;
}

describe('at every single write', () => {
  it('packets see the list before or the list after, and nothing in between', async () => {
    await fc.assert(fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
      const store = createPrefilterMemory();
      const prefilter = await createPrefilter({ store });
      let members = new Set<string>();
      for (const each of changes) {
        const next = after(members, each);
        const allowed = [expected(members), expected(next ?? members)];
        let seen = 0;
        store.onStep = () => {
          const now = allowed.indexOf(view(store), seen === 1 ? allowed.lastIndexOf(allowed[1]!) : 0);
          if (now < 0) throw new Error(`${view(store)} is neither of ${allowed.join(', ')}`);
          seen = allowed[0] === allowed[1] ? 0 : now;
        };
        const outcome = await (each.kind === 'add' ? prefilter.add(each.cidrs) : prefilter.remove(each.cidrs));
        expect(outcome.kind).toBe(next === undefined ? 'not-listed' : 'applied');
        members = next ?? members;
        expect(view(store)).toBe(expected(members));
      }
      await prefilter.settled();
      expect(physical(store)).toBe(members.size);
    }), { numRuns: 300 });
  });

  it('a crash leaves the list before or the list after, and a restart nothing else', async () => {
    await fc.assert(fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), fc.nat(12), fc.boolean(), async (changes, at, restart) => {
      const store = createPrefilterMemory();
      let prefilter = await createPrefilter({ store });
      let members = new Set<string>();
      for (const each of changes.slice(0, -1)) if ((await (each.kind === 'add' ? prefilter.add(each.cidrs) : prefilter.remove(each.cidrs))).kind === 'applied') members = after(members, each)!;
      const last = changes.at(-1)!;
      let left = at;
      store.onStep = () => {
        if (left-- <= 0) throw new Crash('killed');
      };
      await (last.kind === 'add' ? prefilter.add(last.cidrs) : prefilter.remove(last.cidrs)).catch(() => undefined);
      const found = view(store);
      expect([expected(members), expected(after(members, last) ?? members)]).toContain(found);
      store.onStep = () => undefined;
      if (restart) prefilter = await createPrefilter({ store });
      else await prefilter.remove([]); // mends what failed
      await prefilter.settled();
      expect(view(store)).toBe(found);
      const listed = new Set(texts(prefilter));
      expect([expected(listed), physical(store)]).toEqual([found, listed.size]);
      expect(await prefilter.add(POOL)).toMatchObject({ kind: 'applied' });
      expect(view(store)).toBe('1'.repeat(PROBES.length));
    }), { numRuns: 500 });
  });
});
