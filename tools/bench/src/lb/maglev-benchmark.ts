import { maglevName, maglevTable } from '@cilium-ts/loadbalancer';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';

const SIZE = 16_381;
const BACKENDS = 1000;
const NAME = `lb/maglev-${SIZE}-${BACKENDS}`;
const TABLES = 101;

/** A Maglev table of Cilium's default size for a thousand backends, names made and all. */
export const maglevBenchmark: Benchmark = { names: [NAME], run };

function run({ progress }: BenchContext): Promise<BenchResult[]> {
  const times: number[] = [];
  for (let seed = 1; seed <= TABLES; seed++) {
    const began = performance.now();
    const backends = Array.from({ length: BACKENDS }, (_, i) => ({ name: maglevName({ family: 4, text: `10.0.${i >> 8}.${i & 255}` }, 80, 'TCP'), weight: 1 }));
    const table = maglevTable(backends, { size: SIZE, seed });
    times.push(performance.now() - began);
    checkTable(table);
  }
  progress(`table: median ${median(times).toFixed(2)} ms, slowest ${Math.max(...times).toFixed(2)} ms`);
  return Promise.resolve([absolute(NAME, median(times), 'ms', times.length)]);
}

/** Every backend has its share: what was timed is a whole table. */
function checkTable(table: Uint32Array): void {
  const shares = new Uint32Array(BACKENDS);
  for (const backend of table) shares[backend] = (shares[backend] ?? 0) + 1;
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  if (table.length !== SIZE || most - least > 1) throw new Error(`making a Maglev table: ${table.length} places, shares of ${least} to ${most}`);
}
