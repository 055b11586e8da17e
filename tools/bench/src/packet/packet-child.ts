import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ip } from './pods.ts';
import { buildCases } from './cases.ts';
import { buildServiceCases } from './service-cases.ts';
import { measureInterleaved, type BurstPair } from './measure.ts';

/** The bursts of each case by name, as they travel to the parent process. */
export type MeasuredCases = [name: string, pairs: BurstPair[]][];

const ROUNDS = 12;

/** Which cases are measured together. */
export type Suite = keyof typeof SUITES;
const SUITES = { pods: buildCases, services: buildServiceCases } as const;

/** Measures all cases of a suite (`SUITE WRAPPER`) in the current namespaces, which must be this process's own. Prints JSON. */
export async function packetChild(suite: string, wrapper: string): Promise<void> {
  const bpffs = mountBpffs();
  ip('link set lo up');
  await using stage = await SUITES[suite as Suite]({ wrapper, bpffs });
  const measured: MeasuredCases = [...(await measureInterleaved(stage.cases, ROUNDS))];
  await stage.check();
  console.log(JSON.stringify(measured));
}

/** A bpffs of this process's mount namespace, on a folder nobody else sees. */
function mountBpffs(): string {
  const root = mkdtempSync(join(tmpdir(), 'cilium-bench-'));
  mount('tmpfs', root);
  const bpffs = join(root, 'bpf');
  mkdirSync(bpffs);
  mount('bpf', bpffs);
  process.once('exit', () => spawnSync('sh', ['-c', 'umount "$1/bpf" "$1" && rmdir "$1"', 'unmount', root]));
  return bpffs;
}

function mount(type: string, path: string): void {
  const { status, stderr } = spawnSync('mount', ['-t', type, type, path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mounting ${type} on ${path} failed: ${stderr.trim()}`);
}
