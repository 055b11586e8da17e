import type { BenchContext, Benchmark } from '../benchmark.ts';
import { run as runCommand } from '../command.ts';
import { absolute, type BenchResult } from '../result.ts';
import type { HeapStage } from './heap-child.ts';
import type { WorldSize } from './policy-world.ts';

const NAME = 'policy/heap';
const SIZE: WorldSize = { policies: 1000, identities: 10_000, local: 100 };

/**
 * For the process that is measured. V8's optimizer compiles on a thread of its own and keeps alive what it has seen until
 * it is through, which may be long after that was garbage; its code takes less than a megabyte.
 */
const FLAGS = ['--no-opt'];

/** How much memory policies take with all that is needed to keep them up to date, in a process that does nothing else. */
export const heapBenchmark: Benchmark = { names: [NAME], run };

async function run({ progress, signal }: BenchContext): Promise<BenchResult[]> {
  const stages = JSON.parse(await runCommand([process.execPath, ...FLAGS, process.argv[1] ?? '', 'policy-heap', JSON.stringify(SIZE)], { signal })) as HeapStage[];
  let before = 0;
  for (const { what, bytes } of stages) {
    progress(`${what}: ${megabytes(bytes - before)} MB`);
    before = bytes;
  }
  return [absolute(NAME, before / 1e6, 'MB', 1)];
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
