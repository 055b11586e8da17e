import { median } from '../statistics.ts';
import { run, start, stop } from '../command.ts';

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

const PORT = 5000;
const ROUNDS = 41;
const SECONDS = 0.2;

/**
 * Client and server share a CPU: what is compared is the work per packet. On two, waking the other CPU takes ten times
 * as long as the whole way of a packet, and differs from round to round.
 */
const CPU = 1;

/** Medians of interleaved rounds, each way in turn first. */
export async function runRounds(mode: TrafficMode, { traffic, clientNetns, serverNetns, measuredAddress, baselineAddress, signal }: Course): Promise<{ measured: number; baseline: number; rounds: number }> {
  const server = start([traffic, 'serve', String(PORT)], { netns: serverNetns, cpu: CPU });
  const measured: number[] = [];
  const baseline: number[] = [];
  const ways = [{ address: measuredAddress, samples: measured }, { address: baselineAddress, samples: baseline }];
  const once = async (address: string, seconds: number): Promise<number> => Number(await run([traffic, mode, address, String(PORT), String(seconds)], { netns: clientNetns, cpu: CPU, signal }));
  try {
    await run(['sleep', '0.2']);
    for (const { address } of ways) await once(address, 0.1);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { address, samples } of round % 2 === 0 ? ways : [...ways].reverse()) samples.push(await once(address, SECONDS));
    }
  } finally {
    await stop(server);
  }
  return { measured: median(measured), baseline: median(baseline), rounds: ROUNDS };
}
