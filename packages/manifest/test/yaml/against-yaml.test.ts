import { expect, test } from 'vitest';
import { compareReaders, permitted } from '../helpers/compare-readers.ts';
import { createRandom } from '../helpers/random.ts';
import { SEEDS, mutate, written } from '../helpers/yaml-texts.ts';
import { yamlCorpus } from '../helpers/yaml-corpus.ts';

/** By hand: YAML_CASES=200000 YAML_SEED=7 npx vitest run --project unit test/yaml/against-yaml.test.ts. */
const CASES = Number(process.env['YAML_CASES'] ?? 5_000);
const SEED = Number(process.env['YAML_SEED'] ?? 1);

const corpus = yamlCorpus();
/** What is mutated: by hand the repository's texts too, which change with it, and with them every case behind. */
const mutated = CASES > 5_000 ? [...SEEDS, ...corpus] : SEEDS;

/** The texts on which the readers differ, except as permitted; and how many fared how. */
function differences(texts: Iterable<string>): { faults: string[]; counts: Record<string, number> } {
  const faults: string[] = [];
  const counts: Record<string, number> = {};
  for (const text of texts) {
    const comparison = compareReaders(text);
    const name = comparison.kind === 'same' || comparison.kind === 'both refuse' ? '' : permitted(text, comparison);
    if (name === undefined && faults.length < 20) faults.push(`${comparison.kind}: ${comparison.detail}: ${JSON.stringify(text)}`);
    const count = name ? `${comparison.kind}: ${name}` : comparison.kind;
    counts[count] = (counts[count] ?? 0) + 1;
  }
  if (CASES > 5_000) console.log(counts);
  return { faults, counts };
}

test('every text of the repository, and one for each thing that YAML has', () => {
  expect(corpus.length).toBeGreaterThan(40);
  expect(differences(corpus).counts).toEqual({ same: corpus.length });
  expect(differences(SEEDS).counts).toEqual({ same: SEEDS.length - 1, 'other position: alias, null or merge as a key': 1 });
});

test('what libraries write is read by both, with the same values at the same places', () => {
  const random = createRandom(SEED);
  const { faults, counts } = differences(Array.from({ length: CASES / 5 }, () => written(random)));
  expect(faults).toEqual([]);
  // Of folded text in quotes, `yaml` writes some that nothing reads, `yaml` included.
  expect(Object.keys(counts).filter((count) => !['same', 'both refuse', 'stricter: empty line behind an escaped line break', 'other position: alias, null or merge as a key'].includes(count))).toEqual([]);
  expect(counts['same']).toBeGreaterThan(CASES / 5.2);
}, 600_000);

test('of mutated texts, nothing is accepted that yaml refuses, with no other value and at no other place', () => {
  const random = createRandom(SEED + 1);
  const { faults, counts } = differences(
    (function* () {
      for (let number = 0; number < (CASES * 4) / 5; number += 1) yield mutate(random.of(mutated), random);
    })(),
  );
  expect(faults).toEqual([]);
  expect(counts['same']).toBeGreaterThan(CASES / 10);
}, 600_000);
