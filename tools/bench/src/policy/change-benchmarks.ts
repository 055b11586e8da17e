import { createPolicyTracker, DEFAULT_POLICY_OPTIONS as options, type PolicyRepository, type PolicyTracker } from '@cilium-ts/policy-model';
import type { BenchContext, Benchmark } from '../benchmark.ts';
import { absolute, type BenchResult } from '../result.ts';
import { median, percentile } from '../statistics.ts';
import { repositoryOf } from './compile-benchmark.ts';
import { timed } from './cpu-clock.ts';
import { policyWorld, type PolicyWorld } from './policy-world.ts';

const SIZE = { policies: 1000, identities: 10_000, local: 100 };
const IDENTITY = 'policy/identity-change-p99';
const REPLACE = 'policy/replace-p99';
const IDENTITIES = 1000;

/** Changes that a tracker follows, with everything else in place. */
export const policyChangeBenchmarks: Benchmark = { names: [IDENTITY, REPLACE], run };

function run({ wanted, progress, signal }: BenchContext): Promise<BenchResult[]> {
  const world = policyWorld(SIZE);
  const repository = repositoryOf(world);
  using tracker = createPolicyTracker({ repository, options });
  for (const identity of world.identities) tracker.addIdentity(identity);
  for (const subject of world.local) tracker.addSubject(subject);
  tracker.take();
  const results: BenchResult[] = [];
  const measures = [[IDENTITY, changeIdentities, world.local.length], [REPLACE, replacePolicies, 1]] as const;
  for (const [name, measure, share] of measures) {
    if (!wanted(name)) continue;
    signal.throwIfAborted();
    // Once to warm up: an agent changes policies again and again.
    measure({ tracker, repository, world, edit: 1 });
    const { times, changes } = measure({ tracker, repository, world, edit: 2 });
    progress(`${name}: median ${median(times).toFixed(3)} ms, p99 ${percentile(times, 0.99).toFixed(3)} ms, slowest ${Math.max(...times).toFixed(3)} ms for all ${world.local.length} policies, ${changes} of which changed in all`);
    results.push(absolute(name, percentile(times, 0.99) / share, 'ms', times.length));
  }
  return Promise.resolve(results);
}

interface Setup {
  readonly tracker: PolicyTracker;
  readonly repository: PolicyRepository;
  readonly world: PolicyWorld;
  /** What policies are changed to: a number that they have not had before. */
  readonly edit: number;
}

interface Changes {
  /** Milliseconds of each change, until what it does to all policies is known. */
  readonly times: readonly number[];
  readonly changes: number;
}

function changeIdentities({ tracker, world }: Setup): Changes {
  const times: number[] = [];
  let changes = 0;
  const take = (change: () => void): void => {
    const { result, milliseconds } = timed(() => {
      change();
      return tracker.take();
    });
    times.push(milliseconds);
    changes += result.subjects.size;
  };
  for (let i = 0; i < IDENTITIES; i++) {
    const newcomer = world.newcomer(i);
    take(() => tracker.addIdentity(newcomer));
    take(() => tracker.removeIdentity(newcomer.id));
  }
  if (changes < IDENTITIES) throw new Error(`changing identities: only ${changes} policies changed`);
  return { times, changes };
}

function replacePolicies({ tracker, repository, world, edit }: Setup): Changes {
  const times: number[] = [];
  let changes = 0;
  for (let place = 0; place < world.policies.length; place++) {
    const policy = world.edited(place, edit);
    const { result, milliseconds } = timed(() => {
      repository.upsert(policy);
      return tracker.take();
    });
    times.push(milliseconds);
    changes += result.subjects.size;
  }
  if (changes < 100) throw new Error(`replacing policies: only ${changes} policies of endpoints changed`);
  return { times, changes };
}
