import { median, percentile } from '../statistics.ts';
import type { WrappedProgram } from './wrapped-program.ts';

/** One thing to measure: the program under test, its twin that calls nothing, and what surrounds a burst. */
export interface PacketCase {
  readonly name: string;
  readonly program: WrappedProgram;
  /** The same wrapper and packet with an empty program. */
  readonly empty: WrappedProgram;
  /** What every run must return. */
  readonly verdict: number;
  /** Called before each burst, off the clock: removes the flows of the burst before, for instance. */
  readonly prepare?: () => void | Promise<void>;
  /** Called after each burst, off the clock; throws when the programs did not do what is being measured. */
  readonly verify?: () => void;
  /** Closes what the case has besides its programs. */
  readonly dispose?: () => void;
}

/** Nanoseconds per packet, net of the empty program. */
export interface PacketCost {
  readonly median: number;
  readonly minimum: number;
  readonly bursts: number;
}

/** Repeats of one burst: about two milliseconds, short against a time slice. */
export const BURST = 20_000;

/**
 * Measures all cases in turns, so that whatever disturbs the machine disturbs all alike: `rounds` bursts each, every
 * one beside a burst of its empty twin, which goes first in every other round: what a burst finds (caches, the clock
 * rate after `prepare`) then costs both alike. What counts is the difference within a pair.
 */
export async function measureInterleaved(cases: readonly PacketCase[], rounds: number, progress: (round: number) => void): Promise<Map<string, PacketCost>> {
  const samples = new Map<string, { loaded: number[]; empty: number[] }>(cases.map(({ name }) => [name, { loaded: [], empty: [] }]));
  for (const each of cases) await runCase(each, true);
  for (let round = 0; round < rounds; round++) {
    progress(round);
    for (const each of cases) {
      const { loaded, empty } = await runCase(each, round % 2 === 0);
      samples.get(each.name)?.loaded.push(loaded);
      samples.get(each.name)?.empty.push(empty);
    }
  }
  return new Map([...samples].map(([name, { loaded, empty }]) => [name, cost(loaded, empty)]));
}

async function runCase({ name, program, empty, verdict, prepare, verify }: PacketCase, emptyFirst: boolean): Promise<{ loaded: number; empty: number }> {
  await prepare?.();
  const before = emptyFirst ? empty.burst(BURST) : undefined;
  const burst = program.burst(BURST);
  const without = before ?? empty.burst(BURST);
  if (burst.verdict !== verdict) throw new Error(`measuring ${name}: the program returned ${burst.verdict}, expected ${verdict}`);
  verify?.();
  return { loaded: burst.nanoseconds, empty: without.nanoseconds };
}

function cost(loaded: readonly number[], empty: readonly number[]): PacketCost {
  return {
    median: median(loaded.map((nanoseconds, round) => nanoseconds - (empty[round] ?? 0))),
    minimum: percentile(loaded, 0) - percentile(empty, 0),
    bursts: loaded.length,
  };
}
