import { createPolicyTracker, DEFAULT_POLICY_OPTIONS as options } from '@cilium-ts/policy-model';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, relative, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';
import { repositoryOf } from './compile-benchmark.ts';
import { collectGarbage, timed } from './cpu-clock.ts';
import { policyWorld, type WorldSize } from './policy-world.ts';

const NAME = 'policy/growth';
const BASE: WorldSize = { policies: 200, identities: 2000, local: 50 };
export const FACTORS = [1, 3, 10] as const;
const ROUNDS = 5;
/** Rounds of the smallest world before all others: the first for which code is compiled would make growth look better than it is. */
const WARM_UP = 20;

/** What grows with a world. */
export type Part = 'identities' | 'policies';
export const PARTS: readonly Part[] = ['identities', 'policies'];
const names = PARTS.flatMap((part) => FACTORS.map((factor) => `${NAME}-${part}-${factor}x`));

/** How the time to compile grows: each result per n·log n, held against the same at 1×, so that a ratio of 1 is n·log n. */
export const growthBenchmark: Benchmark = { names, run };

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const part of PARTS) await measure(sizeOf(part, 3));
  for (let i = 0; i < WARM_UP; i++) await measure(BASE);
  for (const part of PARTS) {
    let base: BenchResult | undefined;
    for (const factor of FACTORS) {
      const name = `${NAME}-${part}-${factor}x`;
      signal.throwIfAborted();
      const size = sizeOf(part, factor);
      const times: number[] = [];
      for (let i = 0; i < ROUNDS; i++) times.push(await measure(size));
      const grown = growth(part, factor);
      const value = median(times);
      progress(`${name}: ${size.policies} policies, ${size.identities} identities: ${value.toFixed(1)} ms`);
      const result = base === undefined ? absolute(name, value / grown, 'ms per n·log n', times.length) : relative({ name, value: value / grown, unit: 'ms per n·log n', baseline: { name: base.name, value: base.value }, n: times.length });
      base ??= result;
      if (wanted(name)) results.push(result);
    }
  }
  return results;
}

/** A world of which a part has grown. */
export function sizeOf(part: Part, factor: number, base = BASE): WorldSize {
  return { ...base, [part]: base[part] * factor };
}

/** How many times as many steps n·log n allows at that factor. */
export function growth(part: Part, factor: number, base = BASE): number {
  return (factor * Math.log2(base[part] * factor)) / Math.log2(base[part]);
}

async function measure(size: WorldSize): Promise<number> {
  const world = policyWorld(size);
  const repository = repositoryOf(world);
  using tracker = createPolicyTracker({ repository, options });
  await collectGarbage('minor');
  return timed(() => {
    for (const identity of world.identities) tracker.addIdentity(identity);
    for (const subject of world.local) tracker.addSubject(subject);
    return tracker.take();
  }).milliseconds;
}
