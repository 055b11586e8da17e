import { readFileSync } from 'node:fs';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median, percentile } from '../statistics.ts';
import { createBusyNode, ENDPOINTS, type BusyNode } from './busy-node.ts';
import { measurePolicyEffect } from './policy-effect.ts';

/** What the agent takes, with 200 endpoints on its node. */
export const agentBenchmarks: Benchmark = {
  names: ['endpoint/attach-p50', 'endpoint/attach-p99', 'policy/effect-p50', 'agent/rss', 'agent/start'],
  run,
};

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  progress(`attaching ${ENDPOINTS} endpoints`);
  await using node = await createBusyNode();
  if (wanted('endpoint/attach-p50') || wanted('endpoint/attach-p99')) {
    const times = await measureAttach(node, signal);
    results.push(absolute('endpoint/attach-p50', median(times), 'ms', times.length), absolute('endpoint/attach-p99', percentile(times, 0.99), 'ms', times.length));
    progress(`attach: median ${median(times).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`);
  }
  if (wanted('policy/effect-p50')) {
    const times = await measurePolicyEffect(node, signal);
    results.push(absolute('policy/effect-p50', median(times), 'ms', times.length));
    progress(`policy effect: median ${median(times).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`);
  }
  if (wanted('agent/rss') || wanted('agent/start')) {
    const { starts, sizes } = await measureRestarts(node, signal);
    results.push(absolute('agent/rss', median(sizes), 'MiB', sizes.length), absolute('agent/start', median(starts), 'ms', starts.length));
    progress(`restart: ${starts.map((time) => time.toFixed(0)).join(', ')} ms; resident: ${sizes.map((size) => size.toFixed(0)).join(', ')} MiB`);
  }
  return results;
}

const ATTACHMENTS = 100;

/** From the API call until it answers, which it does when the policy is in force. Each endpoint goes before the next comes. */
async function measureAttach(node: BusyNode, signal: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  const pod = await node.node.createPod('measured');
  for (let i = 0; i < ATTACHMENTS; i++) {
    signal.throwIfAborted();
    const began = performance.now();
    const endpoint = await node.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': `measured-${i}`, labels: [`app=app${i % 20}`] });
    times.push(performance.now() - began);
    if (endpoint.status.state !== 'ready') throw new Error(`attaching an endpoint: it is ${endpoint.status.state}, not ready`);
    const { errors } = await node.client.deleteEndpoint(endpoint.id);
    if (errors[0] !== undefined) throw new Error(`deleting an endpoint: ${errors[0]}`);
  }
  return times;
}

const RESTARTS = 5;
/** After that long the heap has been collected and the size no longer moves. */
const REST_MS = 3000;

/** Stops the agent and starts it on what it left: from the start of the process to a healthy answer with all endpoints ready. */
async function measureRestarts(node: BusyNode, signal: AbortSignal): Promise<{ starts: number[]; sizes: number[] }> {
  const [starts, sizes]: [number[], number[]] = [[], []];
  for (let i = 0; i < RESTARTS; i++) {
    signal.throwIfAborted();
    starts.push(await node.restart());
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    sizes.push(residentMiB(node.pid()));
  }
  return { starts, sizes };
}

function residentMiB(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`reading the size of process ${pid}: it has none`);
  return Number(kilobytes) / 1024;
}
