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
/** Rounds before those that count: code that is compiled meanwhile would make growth look better than it is. */
const WARM_UP = 2;

/** What grows with a world. */
export type Part = 'identities' | 'policies';
export const PARTS: readonly Part[] = ['identities', 'policies'];
const names = PARTS.flatMap((part) => FACTORS.map((factor) => `${NAME}-${part}-${factor}x`));

/** How the time to compile grows: each result per n·log n, held against the same at 1×, so that a ratio of 1 is n·log n. */
export const growthBenchmark: Benchmark = { names, run };

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const cases = PARTS.flatMap((part) => FACTORS.map((factor) => ({ part, factor, name: `${NAME}-${part}-${factor}x`, size: sizeOf(part, factor), times: [] as number[] })));
  // In turns, so that whatever disturbs or speeds up the process does so to all.
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    for (const { size, times } of cases) {
      signal.throwIfAborted();
      const time = await measure(size);
      if (round >= WARM_UP) times.push(time);
    }
  }
  const results: BenchResult[] = [];
  let base: BenchResult | undefined;
  for (const { part, factor, name, size, times } of cases) {
    const [value, n, unit] = [median(times) / growth(part, factor), times.length, 'ms per n·log n'];
    progress(`${name}: ${size.policies} policies, ${size.identities} identities: ${median(times).toFixed(1)} ms`);
    if (factor === 1) base = absolute(name, value, unit, n);
    const result = factor === 1 || base === undefined ? absolute(name, value, unit, n) : relative({ name, value, unit, baseline: { name: base.name, value: base.value }, n });
    if (wanted(name)) results.push(result);
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
