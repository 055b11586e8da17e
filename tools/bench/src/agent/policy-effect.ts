import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildTraffic } from '../build-tools.ts';
import { start, stop } from '../command.ts';
import type { BusyNode } from './busy-node.ts';

const PORT = 7000;
/** A datagram each; the measured times are exact to about that. */
const INTERVAL_US = 500;
const SILENCE_US = 20_000;
const CHANGES = 20;
const LIMIT_MS = 10_000;

/**
 * From the rename of a policy file until the first packet that is treated the new way, in milliseconds: one pod sends
 * datagrams to another all the time; a file that allows them comes, is replaced by one that does not, and so on.
 */
export async function measurePolicyEffect({ node, pods }: BusyNode, signal: AbortSignal): Promise<number[]> {
  const [server, client] = pods;
  if (server === undefined || client === undefined) throw new Error('measuring the effect of policies needs two pods');
  const traffic = buildTraffic();
  const receiver = start([traffic, 'tick-receive', String(PORT), String(SILENCE_US)], { netns: server.pod.netns });
  const sender = start([traffic, 'tick-send', server.ipv4, String(PORT), String(INTERVAL_US)], { netns: client.pod.netns });
  if (receiver.stdout === null) throw new Error('measuring the effect of policies: no output');
  const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
  const times: number[] = [];
  try {
    for (let i = 0; i < CHANGES; i++) {
      signal.throwIfAborted();
      const allowed = i % 2 === 0;
      const changed = publish(join(node.folders.policies, 'effect.yaml'), effectPolicy(allowed ? PORT : PORT + 1));
      const at = await change(lines, allowed ? 'up' : 'down');
      // The last datagram let through under the old policy; the next one was sent an interval later.
      times.push(Math.max(0, Number(at - changed) / 1e6 + (allowed ? 0 : INTERVAL_US / 1000)));
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  } finally {
    await stop(sender);
    await stop(receiver);
    rmSync(join(node.folders.policies, 'effect.yaml'), { force: true });
  }
  return times;
}

/** Waits for the receiver's word, and returns the time it names. */
async function change(lines: AsyncIterator<string>, expected: 'up' | 'down'): Promise<bigint> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`measuring the effect of policies: traffic did not go ${expected} within ${LIMIT_MS} ms`)), LIMIT_MS).unref());
  const { value } = await Promise.race([lines.next(), late]);
  const [word, time] = String(value).split(' ');
  if (word !== expected || time === undefined) throw new Error(`measuring the effect of policies: traffic went ${word}, expected ${expected}`);
  return BigInt(time);
}

/** Returns the time of the rename on the clock of the datagrams (CLOCK_MONOTONIC). */
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
