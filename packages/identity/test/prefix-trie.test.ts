import type { Cidr } from '@cilium-ts/core';
import { cidrContains, compareCidr, parseCidr, parseIp } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPrefixTrie } from '../src/index.ts';

/** Few distinct bits, so that prefixes contain and neighbour one another. */
const prefix: fc.Arbitrary<Cidr> = fc.oneof(
  fc.tuple(fc.constantFrom(0, 10, 128, 138), fc.constantFrom(0, 1, 128), fc.integer({ min: 0, max: 32 })).map(([a, b, length]) => parseCidr(`${a}.${b}.0.${b}/${length}`)!),
  fc.tuple(fc.constantFrom('', 'fd00', '8000'), fc.constantFrom('0', '1'), fc.integer({ min: 0, max: 128 })).map(([a, b, length]) => parseCidr(`${a}::${b}/${length}`)!),
);
const texts = (prefixes: Iterable<Cidr>): string[] => Array.from(prefixes, ({ text }) => text);

describe('createPrefixTrie', () => {
  it('behaves as a list of prefixes would', () => {
    const step = fc.record({ remove: fc.boolean(), prefix });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), prefix, (steps, probe) => {
        const trie = createPrefixTrie<Cidr>();
        const model = new Map<string, Cidr>();
        for (const each of steps) {
          const { text } = each.prefix;
          if (each.remove) expect(trie.delete(each.prefix)).toBe(model.delete(text));
          else {
            trie.set(each.prefix, each.prefix);
            model.set(text, each.prefix);
          }
          expect(trie.size).toBe(model.size);
          expect(trie.get(each.prefix)?.text).toBe(model.get(text)?.text);
        }
        const sorted = [...model.values()].sort(compareCidr);
        expect(texts(trie.values())).toEqual(texts(sorted));
        for (const each of [...sorted, probe]) {
          expect(texts(trie.within(each))).toEqual(texts(sorted.filter((inner) => cidrContains(each, inner))));
          const covering = sorted.filter((outer) => cidrContains(outer, each)).sort((a, b) => a.prefixLength - b.prefixLength);
          expect(texts(trie.covering(each))).toEqual(texts(covering));
          expect(texts(trie.covering(each.address))).toEqual(texts(sorted.filter((outer) => cidrContains(outer, each.address)).sort((a, b) => a.prefixLength - b.prefixLength)));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the families apart', () => {
    const trie = createPrefixTrie<string>();
    trie.set(parseCidr('::/0')!, 'six');
    expect(trie.covering(parseIp('10.0.0.1')!)).toEqual([]);
    trie.set(parseCidr('0.0.0.0/0')!, 'four');
    expect(trie.covering(parseIp('10.0.0.1')!)).toEqual(['four']);
    expect(trie.values()).toEqual(['four', 'six']);
  });

  it('bears a chain as deep as an address', () => {
    const trie = createPrefixTrie<number>();
    for (let length = 0; length <= 128; length++) trie.set(parseCidr(`::/${length}`)!, length);
    expect(trie.covering(parseIp('::')!)).toHaveLength(129);
    expect(trie.within(parseCidr('::/64')!)).toHaveLength(65);
    for (let length = 0; length <= 128; length++) expect(trie.delete(parseCidr(`::/${length}`)!)).toBe(true);
    expect(trie.values()).toEqual([]);
  });
});
