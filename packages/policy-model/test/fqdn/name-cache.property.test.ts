import { parseIp } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AddressChange, FqdnSelector, NameCache } from '../../src/index.ts';
import { createNameCache, fqdnLabelKey, matchesFqdn } from '../../src/index.ts';

const NAMES = ['a.com.', 'b.com.', 'x.a.com.', 'c.org.'];
const SPELLINGS = ['A.com', 'b.COM.', 'x.a.com', 'C.ORG'];
const ADDRESSES = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '2001:db8::2'];
const SELECTORS: FqdnSelector[] = [{ name: 'a.com.' }, { pattern: '*.com.' }, { pattern: '**.com.' }, { pattern: '*' }, { name: 'c.org.' }];
/** Label keys by name: what patterns mean is another test's matter. */
const CHOSEN = new Map(NAMES.map((name) => [name, SELECTORS.filter((selector) => matchesFqdn(selector, name)).map(fqdnLabelKey)]));
const ENDPOINTS = [undefined, '1', '2'];

interface Limits {
  readonly minTtl: number;
  readonly maxAddressesPerName: number;
  readonly maxZombies: number;
  readonly idleGrace: number;
}

interface Fact {
  readonly endpoint: string | undefined;
  readonly name: string;
  readonly address: string;
  readonly at: number;
  readonly expires: number;
}
interface Grave {
  readonly endpoint: string | undefined;
  readonly address: string;
  names: string[];
  aliveAt: number;
  pending: number;
  readonly born: number;
}

/** The rules of §5 of the semantics over flat lists, each asked anew every time. */
class Naive {
  facts: Fact[] = [];
  graves: Grave[] = [];
  selectors: FqdnSelector[] = [];
  swept = 0;
  sweeps = 0;
  readonly limits: Limits;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  update({ endpoint, name, at: now, expires }: Omit<Fact, 'address'>, addresses: string[]): void {
    let fresh = false;
    for (const address of addresses) {
      const same = (fact: Fact): boolean => fact.endpoint === endpoint && fact.name === name && fact.address === address;
      const old = this.facts.find(same);
      if (old === undefined) fresh = true;
      if (old !== undefined && old.expires >= expires) continue;
      this.facts = [...this.facts.filter((fact) => !same(fact)), { endpoint, name, address, at: now, expires }];
    }
    if (!fresh) return;
    for (const grave of this.graves) {
      if (grave.endpoint !== endpoint || !addresses.includes(grave.address) || grave.pending > now) continue;
      grave.names = grave.names.filter((known) => known !== name);
    }
    this.graves = this.graves.filter(({ names }) => names.length > 0);
  }

  collect(now: number): void {
    for (const endpoint of ENDPOINTS) {
      const mine = this.facts.filter((fact) => fact.endpoint === endpoint);
      const gone = mine.filter(({ expires }) => now > expires);
      for (const name of NAMES) {
        const rest = mine.filter((fact) => fact.name === name && !gone.includes(fact));
        rest.sort((a, b) => a.expires - b.expires || a.at - b.at || ADDRESSES.indexOf(a.address) - ADDRESSES.indexOf(b.address));
        if (this.limits.maxAddressesPerName > 0) gone.push(...rest.slice(0, Math.max(0, rest.length - this.limits.maxAddressesPerName)));
      }
      this.facts = this.facts.filter((fact) => !gone.includes(fact));
      for (const { name, address, expires } of gone) this.#bury(endpoint, name, address, Math.max(expires, now));
      this.#reap(endpoint);
    }
  }

  #bury(endpoint: string | undefined, name: string, address: string, pending: number): void {
    const grave = this.graves.find((one) => one.endpoint === endpoint && one.address === address);
    if (grave === undefined) {
      this.graves.push({ endpoint, address, names: [name], aliveAt: this.swept, pending, born: this.sweeps });
      return;
    }
    if (!grave.names.includes(name)) grave.names.push(name);
    grave.pending = Math.max(grave.pending, pending);
    grave.aliveAt = Math.max(grave.aliveAt, this.swept);
  }

  #connected(grave: Grave): boolean {
    const unseen = this.swept > grave.aliveAt && this.swept > grave.pending + 1000 * this.limits.idleGrace;
    return !unseen || this.sweeps - grave.born < 2;
  }

  #reap(endpoint: string | undefined): void {
    const mine = this.graves.filter((grave) => grave.endpoint === endpoint);
    const living = (name: string): boolean => mine.some((grave) => grave.names.includes(name) && this.#connected(grave));
    const order = (a: Grave, b: Grave): number =>
      a.aliveAt - b.aliveAt || a.pending - b.pending || a.names.length - b.names.length || ADDRESSES.indexOf(a.address) - ADDRESSES.indexOf(b.address);
    const dead = mine.filter((grave) => !this.#connected(grave) && !grave.names.some(living));
    const limit = this.limits.maxAddressesPerName;
    for (const name of limit > 0 ? NAMES.filter(living) : []) {
      const holders = mine.filter((grave) => grave.names.includes(name)).sort(order);
      dead.push(...holders.slice(0, Math.max(0, holders.length - limit)));
    }
    const alive = mine.filter((grave) => !dead.includes(grave)).sort(order);
    dead.push(...alive.slice(0, Math.max(0, alive.length - this.limits.maxZombies)));
    this.graves = this.graves.filter((grave) => !dead.includes(grave));
  }

  labels(address: string): string[] {
    const names = [...this.facts, ...this.graves].filter((one) => one.address === address).flatMap((one) => ('name' in one ? [one.name] : one.names));
    const keys = new Set(names.flatMap((name) => CHOSEN.get(name)!));
    return this.selectors.map(fqdnLabelKey).filter((key) => keys.has(key)).sort();
  }
}

type Step =
  | { readonly do: 'update'; readonly endpoint: number; readonly name: number; readonly addresses: string[]; readonly ttl: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'collect' | 'sweep' | 'restart' }
  | { readonly do: 'mark'; readonly endpoint: number; readonly address: string }
  | { readonly do: 'select'; readonly selectors: FqdnSelector[] }
  | { readonly do: 'remove' | 'forget'; readonly which: number };


const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('update' as const), endpoint: fc.constantFrom(0, 0, 0, 1, 2), name: fc.nat({ max: NAMES.length - 1 }), addresses: fc.subarray(ADDRESSES), ttl: fc.nat({ max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 500, 1000, 4000) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('collect' as const, 'collect' as const, 'collect' as const, 'sweep' as const, 'sweep' as const, 'sweep' as const, 'restart' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mark' as const), endpoint: fc.constantFrom(0, 0, 0, 1, 2), address: fc.constantFrom(...ADDRESSES) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('select' as const), selectors: fc.subarray(SELECTORS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('remove' as const, 'forget' as const), which: fc.nat({ max: 1 }) }) },
);
const limits: fc.Arbitrary<Limits> = fc.record({
  minTtl: fc.constantFrom(0, 5),
  maxAddressesPerName: fc.constantFrom(0, 1, 2),
  maxZombies: fc.constantFrom(0, 1, 3, 100),
  idleGrace: fc.constantFrom(0, 3),
});

/** A cache and its naive twin, and what the changes it has told add up to. */
class Twins {
  cache: NameCache;
  readonly naive: Naive;
  told = new Map<string, string[]>();
  now = 0;

  constructor(limits: Limits) {
    this.cache = createNameCache(limits);
    this.naive = new Naive(limits);
  }

  run(step: Step): void {
    const { cache, naive, now } = this;
    switch (step.do) {
      case 'update': {
        const endpoint = ENDPOINTS[step.endpoint];
        const addresses = step.addresses.map((text) => parseIp(text)!);
        const expires = now + 1000 * Math.max(step.ttl, naive.limits.minTtl);
        naive.update({ endpoint, name: NAMES[step.name]!, at: now, expires }, step.addresses);
        return this.#hear(cache.update({ name: SPELLINGS[step.name]!, addresses, ttl: step.ttl, now, ...(endpoint === undefined ? {} : { endpoint }) }).changes);
      }
      case 'wait':
        this.now += step.ms;
        return;
      case 'collect':
        naive.collect(now);
        return this.#hear(cache.collect(now).changes);
      case 'sweep':
        naive.swept = now;
        naive.sweeps++;
        return cache.connectionsSwept(now);
      case 'mark': {
        const endpoint = ENDPOINTS[step.endpoint];
        const grave = naive.graves.find((one) => one.endpoint === endpoint && one.address === step.address);
        if (grave !== undefined) grave.aliveAt = now;
        const mark = { address: parseIp(step.address)!, now, ...(endpoint === undefined ? {} : { endpoint }) };
        expect(cache.markAlive(mark)).toBe(grave !== undefined);
        return;
      }
      case 'select':
        naive.selectors = step.selectors;
        return this.#hear(cache.setSelectors(step.selectors));
      case 'remove': {
        const endpoint = ENDPOINTS[step.which + 1]!;
        naive.facts = naive.facts.filter((fact) => fact.endpoint !== endpoint);
        naive.graves = naive.graves.filter((grave) => grave.endpoint !== endpoint);
        return this.#hear(cache.removeEndpoint(endpoint));
      }
      case 'forget': {
        const selector = SELECTORS[step.which]!;
        naive.facts = naive.facts.filter(({ name }) => !matchesFqdn(selector, name));
        for (const grave of naive.graves) grave.names = grave.names.filter((name) => !matchesFqdn(selector, name));
        naive.graves = naive.graves.filter(({ names }) => names.length > 0);
        return this.#hear(cache.forget(selector));
      }
      case 'restart': {
        // Sweeps are counted from the start of the process.
        const fresh = createNameCache(naive.limits);
        const { selectors } = naive;
        fresh.setSelectors(selectors);
        this.told = new Map();
        naive.swept = 0;
        naive.sweeps = 0;
        naive.graves = naive.graves.map((grave) => ({ ...grave, born: 0 }));
        naive.collect(now);
        const saved = JSON.parse(JSON.stringify(cache.snapshot())) as unknown;
        this.cache = fresh;
        return this.#hear(fresh.restore(saved, now));
      }
    }
  }

  check(): void {
    const table = (labels: (text: string) => string[]): string => ADDRESSES.map((text) => `${text} ${labels(text).join()}`).join('\n');
    const expected = table((text) => this.naive.labels(text));
    if (table((text) => [...this.cache.labels(parseIp(text)!)].map(({ key }) => key)) !== expected) throw new Error(`expected\n${expected}`);
    if (table((text) => this.told.get(text) ?? []) !== expected) throw new Error(`not told:\n${expected}`);
    const labelled = this.cache.labelled().map(({ address }) => address.text);
    if (labelled.join() !== ADDRESSES.filter((text) => this.naive.labels(text).length > 0).join()) throw new Error(`labelled ${labelled.join()}`);
  }

  #hear(changes: readonly AddressChange[]): void {
    for (const { address, labels, added, removed } of changes) {
      const before = this.told.get(address.text) ?? [];
      expect(before.filter((key) => added.includes(key))).toEqual([]);
      expect(removed.filter((key) => !before.includes(key))).toEqual([]);
      const after = [...before.filter((key) => !removed.includes(key)), ...added].sort();
      expect([...labels].map(({ key }) => key)).toEqual(after);
      expect(added.length + removed.length).toBeGreaterThan(0);
      this.told.set(address.text, after);
    }
  }
}

describe('a name cache', () => {
  it('gives the labels that the naive model gives, whatever happens, and tells every change', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), (chosen, steps) => {
        const twins = new Twins(chosen);
        for (const one of [{ do: 'select', selectors: SELECTORS } as const, ...steps]) {
          twins.run(one);
          twins.check();
        }
      }),
      { numRuns: 100 },
    );
  });
});
