import { spawn } from 'node:child_process';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { buildWrapper } from '../build-tools.ts';
import { relative, type BenchResult } from '../result.ts';
import type { MeasuredCase, Suite } from './packet-child.ts';

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
  const measured = await measureInNamespace('pods', progress, signal);
  const unit = measured.find(({ name }) => name === UNIT);
  if (unit === undefined) throw new Error('measuring packets: the unit of the ratios is missing');
  return measured
    .filter(({ name }) => name !== UNIT && wanted(name))
    .map(({ name, median, bursts }) => relative({ name, value: median, unit: 'ns', baseline: { name: UNIT, value: unit.median }, n: bursts }));
}

/** Runs packet-child.ts in network and mount namespaces of its own: devices, pins and mounts go with the process. */
export function measureInNamespace(suite: Suite, progress: (text: string) => void, signal: AbortSignal): Promise<MeasuredCase[]> {
  const self = process.argv[1] ?? '';
  const command = ['--net', '--mount', '--propagation', 'private', 'taskset', '-c', CPU, process.execPath, self, 'packet-child', suite, buildWrapper()];
  const child = spawn('unshare', command, { stdio: ['ignore', 'pipe', 'pipe'], signal });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => progress(text.trimEnd()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as MeasuredCase[]);
      else reject(new Error(`measuring packets failed (exit ${code})`));
    });
  });
}
