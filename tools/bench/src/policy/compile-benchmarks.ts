import { createPolicyRepository, createPolicyTracker, DEFAULT_POLICY_OPTIONS as options, type CompiledPolicy, type PolicyRepository } from '@cilium-ts/policy-model';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';
import { collectGarbage, timed } from './cpu-clock.ts';
import { policyWorld, type PolicyWorld } from './policy-world.ts';

const SIZE = { policies: 1000, identities: 10_000, local: 100 };
const COMPILE = `policy/compile-${SIZE.policies}x${SIZE.identities}`;
const HEAP = 'policy/heap';
const ROUNDS = 9;

/** Policies of a node from nothing, and how much memory they take with all that is needed to keep them up to date. */
export const compileBenchmarks: Benchmark = { names: [COMPILE, HEAP], run };

async function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const world = policyWorld(SIZE);
  const results: BenchResult[] = [];
  if (wanted(COMPILE)) {
    const times: number[] = [];
    let entries = 0;
    for (let i = 0; i < ROUNDS; i++) {
      signal.throwIfAborted();
      const repository = repositoryOf(world);
      await collectGarbage('minor');
      const { result, milliseconds } = timed(() => compileAll(repository, world));
      entries = result.reduce((sum, { ingress, egress }) => sum + ingress.byIdentity.size + egress.byIdentity.size, 0);
      times.push(milliseconds);
    }
    progress(`compile: ${times.map((time) => time.toFixed(0)).join(', ')} ms for ${entries} rows of identities`);
    results.push(absolute(COMPILE, median(times), 'ms', times.length));
  }
  if (wanted(HEAP)) results.push(absolute(HEAP, (await heapOf(world)) / 1e6, 'MB', 1));
  return results;
}

/** A repository of a world's policies, not compiled yet. */
export function repositoryOf({ policies, describe }: PolicyWorld): PolicyRepository {
  const repository = createPolicyRepository();
  describe(repository.directory);
  repository.replaceAll(policies);
  return repository;
}

function compileAll(repository: PolicyRepository, { local, identities }: PolicyWorld): CompiledPolicy[] {
  const compiler = repository.compiler(options);
  return local.map((subject) => compiler.compile(subject, identities));
}

/** Of this whole process, once garbage is collected: the world, its policies compiled, and a tracker that follows them. */
async function heapOf(world: PolicyWorld): Promise<number> {
  const repository = repositoryOf(world);
  const compiled = compileAll(repository, world);
  using tracker = createPolicyTracker({ repository, options });
  for (const identity of world.identities) tracker.addIdentity(identity);
  for (const subject of world.local) tracker.addSubject(subject);
  const delta = tracker.take();
  await collectGarbage('major');
  const { heapUsed } = process.memoryUsage();
  // Used after the measurement, so that none of it was garbage.
  if (compiled.length !== delta.subjects.size || tracker.stats.identities !== world.identities.length) throw new Error('measuring the heap: the policies are not complete');
  return heapUsed;
}
