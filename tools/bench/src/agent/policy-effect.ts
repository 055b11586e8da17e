import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildTraffic } from '../build-tools.ts';
import { start, stop } from '../command.ts';
import type { BusyNode } from './busy-node.ts';

const PORT = 7000;
/** A datagram each; the measured times are exact to about that. */
const INTERVAL_US = 500;
/** So long without a datagram is a silence. */
const SILENCE_US = 20_000;
const CHANGES = 25;
/** A state that lasts is no accident of scheduling. */
const SETTLE_MS = 150;
const LIMIT_MS = 10_000;

/** What the receiver says: datagrams come, or no longer; `at`: when the first or last of them was sent, CLOCK_MONOTONIC ns. */
interface Word {
  readonly state: 'up' | 'down';
  readonly at: bigint;
}

/**
 * From the rename of a policy file until the first packet that is treated the new way, in milliseconds: one pod sends
 * datagrams to another all the time; a file that does not allow them is replaced by one that does, and back.
 */
export async function measurePolicyEffect({ node, pods }: BusyNode, signal: AbortSignal): Promise<number[]> {
  const [server, client] = pods;
  if (server === undefined || client === undefined) throw new Error('measuring the effect of policies needs two pods');
  const traffic = buildTraffic();
  const file = join(node.folders.policies, 'effect.yaml');
  const receiver = start([traffic, 'tick-receive', String(PORT), String(SILENCE_US)], { netns: server.pod.netns });
  const sender = start([traffic, 'tick-send', server.ipv4, String(PORT), String(INTERVAL_US)], { netns: client.pod.netns });
  const words: Word[] = [];
  if (receiver.stdout !== null) createInterface({ input: receiver.stdout }).on('line', (line) => words.push(parseWord(line)));
  const times: number[] = [];
  try {
    for (let i = 0; i < CHANGES; i++) {
      signal.throwIfAborted();
      const changed = publish(file, effectPolicy(PORT));
      await settled(words, 'up');
      const first = words.find(({ state, at }) => state === 'up' && at >= changed);
      if (first === undefined) throw new Error('measuring the effect of policies: datagrams came before they were allowed');
      times.push(Number(first.at - changed) / 1e6);
      publish(file, effectPolicy(PORT + 1));
      await settled(words, 'down');
    }
  } finally {
    await stop(sender);
    await stop(receiver);
    rmSync(file, { force: true });
  }
  return times;
}

function parseWord(line: string): Word {
  const [state, at] = line.split(' ');
  if ((state !== 'up' && state !== 'down') || at === undefined) throw new Error(`the traffic generator said: ${line}`);
  return { state, at: BigInt(at) };
}

/** Waits until this has been the receiver's last word for a while. */
async function settled(words: readonly Word[], state: 'up' | 'down'): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (performance.now() < deadline) {
    const count = words.length;
    await sleep(SETTLE_MS);
    if (words.length === count && words.at(-1)?.state === state) return;
  }
  throw new Error(`measuring the effect of policies: traffic did not go ${state} within ${LIMIT_MS} ms`);
}

/** Returns the time of the rename on the clock of the datagrams. */
function publish(path: string, text: string): bigint {
  writeFileSync(`${path}.new`, text);
  const now = process.hrtime.bigint();
  renameSync(`${path}.new`, path);
  return now;
}

/** Pods of app1 may send datagrams on this port to those of app0, by rules of both ends. */
function effectPolicy(port: number): string {
  const rule = (end: string, own: string, peers: string, other: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: effect-${end} }
spec:
  endpointSelector: { matchLabels: { app: ${own} } }
  ${end}:
    - ${peers}: [{ matchLabels: { app: ${other} } }]
      toPorts: [{ ports: [{ port: "${port}", protocol: UDP }] }]
`;
  return `${rule('ingress', 'app0', 'fromEndpoints', 'app1')}---\n${rule('egress', 'app1', 'toEndpoints', 'app0')}`;
}
