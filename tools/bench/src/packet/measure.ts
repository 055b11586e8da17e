import { trimmedMean } from '../statistics.ts';
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

/** Nanoseconds per packet of two bursts side by side, one through the program and one through its empty twin. */
export interface BurstPair {
  readonly loaded: number;
  readonly empty: number;
}

/** Nanoseconds per packet, net of the empty program. */
export interface PacketCost {
  /** The mean without the tenth of pairs at either end. */
  readonly typical: number;
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
export async function measureInterleaved(cases: readonly PacketCase[], rounds: number): Promise<Map<string, BurstPair[]>> {
  const pairs = new Map<string, BurstPair[]>(cases.map(({ name }) => [name, []]));
  for (const each of cases) await runCase(each, true);
  for (let round = 0; round < rounds; round++) {
    for (const each of cases) pairs.get(each.name)?.push(await runCase(each, round % 2 === 0));
  }
  return pairs;
}

async function runCase({ name, program, empty, verdict, prepare, verify }: PacketCase, emptyFirst: boolean): Promise<BurstPair> {
  await prepare?.();
  const before = emptyFirst ? empty.burst(BURST) : undefined;
  const burst = program.burst(BURST);
  const without = before ?? empty.burst(BURST);
  if (burst.verdict !== verdict) throw new Error(`measuring ${name}: the program returned ${burst.verdict}, expected ${verdict}`);
  verify?.();
  return { loaded: burst.nanoseconds, empty: without.nanoseconds };
}

/** The share of pairs that is left out at either end. */
const CUT = 0.1;

/**
 * What the pairs of a case come to. A mean, because a machine whose clock has two speeds gives two heaps of figures, and
 * a median jumps from one to the other.
 */
export function packetCost(pairs: readonly BurstPair[]): PacketCost {
  return {
    typical: trimmedMean(pairs.map(({ loaded, empty }) => loaded - empty), CUT),
    minimum: Math.min(...pairs.map(({ loaded }) => loaded)) - Math.min(...pairs.map(({ empty }) => empty)),
    bursts: pairs.length,
  };
}
