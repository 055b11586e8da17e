import { createPolicyTracker, DEFAULT_POLICY_OPTIONS as options } from '@cilium-ts/policy-model';
import { compileAll, repositoryOf } from './compile-benchmark.ts';
import { collectGarbage } from './cpu-clock.ts';
import { policyWorld, type WorldSize } from './policy-world.ts';

/** How much the process holds once one more thing is there. */
export interface HeapStage {
  readonly what: string;
  /** Of the whole process, in bytes. */
  readonly bytes: number;
}

/**
 * Fills this process, which must have done nothing else, with a world, its policies compiled, and a tracker that follows
 * them. Prints a list of {@link HeapStage} as JSON: what comes, in order; the last is the whole.
 */
export async function heapChild(size: string): Promise<void> {
  const stages: HeapStage[] = [];
  const note = async (what: string): Promise<void> => void stages.push({ what, bytes: await bytesInUse() });
  await note('the program');
  const world = policyWorld(JSON.parse(size) as WorldSize);
  const repository = repositoryOf(world);
  await note('policies and identities');
  using tracker = createPolicyTracker({ repository, options });
  for (const identity of world.identities) tracker.addIdentity(identity);
  await note('identities of a tracker');
  for (const subject of world.local) tracker.addSubject(subject);
  const delta = tracker.take();
  await note('its policies, and the first delta');
  const compiled = compileAll(repository, world);
  await note('the same policies, compiled without it');
  // Used after the measurements, so that none of it was garbage.
  const complete = compiled.length === delta.subjects.size && tracker.stats.identities === world.identities.length;
  if (!complete || repository.all().length !== world.policies.length) throw new Error('measuring the heap: the policies are not complete');
  console.log(JSON.stringify(stages));
}

/** The heap and what typed arrays have outside of it, when collecting garbage changes neither any more. */
async function bytesInUse(): Promise<number> {
  for (let before = Infinity; ; ) {
    await collectGarbage('major');
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const now = heapUsed + arrayBuffers;
    if (now > before - 100_000) return now;
    before = now;
  }
}
