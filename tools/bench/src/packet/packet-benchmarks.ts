import { spawn } from 'node:child_process';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { buildWrapper } from '../build-tools.ts';
import { relative, type BenchResult } from '../result.ts';
import { packetCost, type BurstPair, type PacketCost } from './measure.ts';
import type { MeasuredCases, Suite } from './packet-child.ts';

/** Costs of single packets through the shipped programs, in look-ups of an LRU hash. */
export const packetBenchmarks: Benchmark = {
  names: [
    'packet/established-local', 'packet/established-local-v6', 'packet/established-local-50k-flows', 'packet/new-flow-local',
    'packet/policy-drop', 'packet/policy-drop-new-flows', 'packet/new-flow-observed', 'packet/policy-drop-observed',
  ],
  run,
};

/** The name of the unit all ratios refer to. */
export const UNIT = 'lru-hash hit, 40-byte key, 100,000 entries';

/** CPU 1 measures; whatever else runs (the events' reader, the rest of Node) finds CPU 0. */
const CPU = '1';

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const costs = await measureSuite('pods', progress, signal);
  return packetBenchmarks.names.filter((name) => wanted(name)).map((name) => relativeCost(costs, name, UNIT));
}

/** One case of a suite beside another. */
export function relativeCost(costs: ReadonlyMap<string, PacketCost>, name: string, baseline: string): BenchResult {
  const [cost, base] = [name, baseline].map((each) => {
    const found = costs.get(each);
    if (found === undefined) throw new Error(`measuring packets: ${each} is missing`);
    return found;
  }) as [PacketCost, PacketCost];
  return relative({ name, value: cost.typical, unit: 'ns', baseline: { name: baseline, value: base.typical }, n: cost.bursts });
}

/** Where the kernel puts programs, flow table and packet is another each time, and some places cost a tenth more. */
const LOADINGS = 10;

/** Measures a suite several times, each with everything loaded anew, and takes all bursts together. */
export async function measureSuite(suite: Suite, progress: (text: string) => void, signal: AbortSignal): Promise<Map<string, PacketCost>> {
  const all = new Map<string, BurstPair[]>();
  for (let loading = 1; loading <= LOADINGS; loading++) {
    progress(`packets: ${suite}, loading ${loading} of ${LOADINGS}`);
    for (const [name, pairs] of await measureInNamespace(suite, progress, signal)) all.set(name, [...(all.get(name) ?? []), ...pairs]);
  }
  const costs = new Map([...all].map(([name, pairs]) => [name, packetCost(pairs)]));
  for (const [name, { typical, minimum }] of costs) progress(`packets: ${name}: ${typical.toFixed(1)} ns, at least ${minimum.toFixed(1)} ns`);
  return costs;
}

/** Runs packet-child.ts in network and mount namespaces of its own: devices, pins and mounts go with the process. */
function measureInNamespace(suite: Suite, progress: (text: string) => void, signal: AbortSignal): Promise<MeasuredCases> {
  const self = process.argv[1] ?? '';
  const command = ['--net', '--mount', '--propagation', 'private', 'taskset', '-c', CPU, process.execPath, self, 'packet-child', suite, buildWrapper()];
  const child = spawn('unshare', command, { stdio: ['ignore', 'pipe', 'pipe'], signal });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => progress(text.trimEnd()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as MeasuredCases);
      else reject(new Error(`measuring packets failed (exit ${code})`));
    });
  });
}
