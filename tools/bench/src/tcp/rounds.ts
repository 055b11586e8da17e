import { run } from '../command.ts';
import { median } from '../statistics.ts';

/** What the traffic generator measures: transactions per second of two kinds, bits per second. */
export type TrafficMode = 'rr' | 'crr' | 'stream';

/** Two ways between the same two namespaces. */
export interface Course {
  readonly traffic: string;
  readonly clientNetns: string;
  readonly serverNetns: string;
  readonly measuredAddress: string;
  readonly baselineAddress: string;
  readonly signal: AbortSignal;
}

/** Where the server listens. */
export const PORT = 5000;
const ROUNDS = 41;
/** Of CPU time. */
const SECONDS = 0.15;
const CPU = 1;

/** Medians of interleaved rounds, each way in turn first. */
export async function runRounds(mode: TrafficMode, { traffic, clientNetns, serverNetns, measuredAddress, baselineAddress, signal }: Course): Promise<{ measured: number; baseline: number; rounds: number }> {
  const once = async (address: string): Promise<number> =>
    Number(await run([traffic, mode, clientNetns, serverNetns, address, String(PORT), String(SECONDS)], { cpu: CPU, signal }));
  const measured: number[] = [];
  const baseline: number[] = [];
  const ways = [{ address: measuredAddress, samples: measured }, { address: baselineAddress, samples: baseline }];
  for (const { address } of ways) await once(address);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { address, samples } of round % 2 === 0 ? ways : [...ways].reverse()) samples.push(await once(address));
  }
  return { measured: median(measured), baseline: median(baseline), rounds: ROUNDS };
}
