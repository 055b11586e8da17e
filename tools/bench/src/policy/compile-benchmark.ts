import { createPolicyRepository, DEFAULT_POLICY_OPTIONS as options, type CompiledPolicy, type PolicyRepository } from '@cilium-ts/policy-model';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median } from '../statistics.ts';
import { collectGarbage, timed } from './cpu-clock.ts';
import { policyWorld, type PolicyWorld } from './policy-world.ts';

const SIZE = { policies: 1000, identities: 10_000, local: 100 };
const COMPILE = `policy/compile-${SIZE.policies}x${SIZE.identities}`;
const ROUNDS = 9;

/** The policies of a node from nothing. */
export const compileBenchmark: Benchmark = { names: [COMPILE], run };

async function run({ progress, signal }: BenchContext): Promise<BenchResult[]> {
  const world = policyWorld(SIZE);
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
  return [absolute(COMPILE, median(times), 'ms', times.length)];
}

/** A repository of a world's policies, not compiled yet. */
export function repositoryOf({ policies, describe }: PolicyWorld): PolicyRepository {
  const repository = createPolicyRepository();
  describe(repository.directory);
  repository.replaceAll(policies);
  return repository;
}

/** The policies of all local endpoints. */
export function compileAll(repository: PolicyRepository, { local, identities }: PolicyWorld): CompiledPolicy[] {
  const compiler = repository.compiler(options);
  return local.map((subject) => compiler.compile(subject, identities));
}
