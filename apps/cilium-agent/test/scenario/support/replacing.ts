import type { AgentClient } from '@cilium-ts/agent-api';

/** How a run of replacements went. */
export interface Replacing {
  readonly replacements: number;
  readonly seconds: number;
  /** Milliseconds of each call, sorted. */
  readonly calls: readonly number[];
}

/**
 * Replaces the whole policy set by the next of `sets`, round and round, at `rate` per second or as fast as the agent goes,
 * until both `seconds` have passed and `rate * seconds` replacements are in force. Ends with the first set in force.
 * Throws where an endpoint did not take a set.
 */
export const replacePolicies = async (client: AgentClient, sets: readonly string[], { rate, seconds }: { readonly rate: number; readonly seconds: number }): Promise<Replacing> => {
  const calls: number[] = [];
  const begin = performance.now();
  const replace = async (): Promise<void> => {
    const from = performance.now();
    const { failures } = await client.importPolicy(sets[(calls.length + 1) % sets.length]!);
    if (failures.length > 0) throw new Error(`replace policies: ${JSON.stringify(failures)}`);
    calls.push(performance.now() - from);
  };
  while (calls.length < rate * seconds || performance.now() - begin < seconds * 1000 || calls.length % sets.length !== 0) {
    const wait = begin + (calls.length * 1000) / rate - performance.now();
    if (wait > 0) await new Promise((resolve) => { setTimeout(resolve, wait); });
    await replace();
  }
  return { replacements: calls.length, seconds: (performance.now() - begin) / 1000, calls: calls.sort((a, b) => a - b) };
};
