import { run } from '../command.ts';

/** What is run once a round: prints one number. */
export interface Turn {
  readonly command: readonly string[];
  readonly cgroup: string;
  readonly signal: AbortSignal;
}

/** As in the other benchmarks: whatever else runs finds CPU 0. */
const CPU = 1;

/** Runs all ways in turns, forwards and backwards by turns, so that whatever disturbs the machine disturbs all alike. */
export async function measureRounds<W extends { readonly name: string }>(ways: readonly W[], rounds: number, turn: (way: W) => Turn): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
  const once = async (way: W): Promise<number> => {
    const { command, cgroup, signal } = turn(way);
    return Number(await run(command, { cpu: CPU, cgroup, signal }));
  };
  for (const way of ways) await once(way);
  for (let round = 0; round < rounds; round++) {
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) samples.get(way.name)?.push(await once(way));
  }
  return samples;
}
