import { errorMessage, hostCidr, parseCidr } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import type { ApplyFailure, ApplyReport, Datapath } from '@cilium-ts/datapath-programs';
import { cidrLabels } from '@cilium-ts/identity';
import type { Families, Identity, IdentityAllocator, IpCache } from '@cilium-ts/identity';
import type { PolicyOptions } from '@cilium-ts/policy-model';
import type { Endpoint, PolicyFailure } from '../endpoint/endpoint.ts';
import { withState } from '../endpoint/endpoint.ts';
import type { EndpointTable } from '../endpoint/endpoint-table.ts';
import type { Failpoint } from '../lifecycle/failpoint.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import { createCommitLoop } from './commit-loop.ts';
import { createDesiredStateBuilder } from './desired-state.ts';
import type { Compiled } from './desired-state.ts';
import { createPolicyFollower } from './policy-follower.ts';
import { noRuns, retryDelay } from './recurring.ts';
import type { RecurringStats } from './recurring.ts';

/** What a commit did. */
export interface CommitResult {
  /** Revision of the policy repository that was compiled. */
  readonly revision: number;
  /** What could not be put in force, by the endpoint it touches. */
  readonly failures: ReadonlyMap<number, PolicyFailure>;
}

/** Puts what the tables say into the datapath. */
export interface PolicyWriter {
  /** Brings the datapath up to date with everything that was in the tables when this was called. */
  commit(): Promise<CommitResult>;
  /** The same once there was a first commit, before which everything is read anyway. A failure is shown, and tried again, like every one. */
  refresh(): Promise<void>;
  /** Failures of the last commit that are of no endpoint: addresses that could not be published. */
  addressFailures(): readonly ApplyFailure[];
  /** How committing fares; it is repeated, ever more slowly, while something is not in force. */
  readonly stats: RecurringStats;
  close(): Promise<void>;
}

/** What a policy writer works with. */
export interface PolicyWriterDeps {
  readonly logger: Logger;
  readonly datapath: Pick<Datapath, 'apply'>;
  readonly endpoints: EndpointTable;
  readonly policies: PolicySet;
  readonly identities: IdentityAllocator;
  readonly ipcache: IpCache;
  readonly reserved: readonly Identity[];
  readonly families: Families;
  readonly options: () => PolicyOptions;
  readonly failpoint: Failpoint;
  readonly observe: (outcome: 'success' | 'fail', seconds: number) => void;
}

const POLICY_RESOURCE = 'policy';

/** Keeps the ipcache's prefixes those that rules name. */
const createPrefixSource = (ipcache: IpCache, families: Families): ((policies: PolicySet) => void) => {
  let seen = '';
  let known = new Set<string>();
  return ({ repository }) => {
    // Services lead to other prefixes now and then, without a policy being another one.
    const revision = `${repository.revision} ${repository.directory.referencesRevision}`;
    if (revision === seen) return;
    const wanted = new Map(repository.prefixes().filter(({ family }) => (family === 4 ? families.ipv4 : families.ipv6)).map((prefix) => [prefix.text, prefix] as const));
    for (const text of known) if (!wanted.has(text)) ipcache.remove(parseCidr(text)!, POLICY_RESOURCE);
    for (const [text, prefix] of wanted) if (!known.has(text)) ipcache.upsert({ prefix, resource: POLICY_RESOURCE, source: 'generated', labels: cidrLabels(prefix, families) });
    known = new Set(wanted.keys());
    seen = revision;
  };
};

/** How the recurring job fares. A run counts as failed while anything is not in force, and is then repeated, ever more slowly. */
const createRunStats = (options: { readonly observe: PolicyWriterDeps['observe']; readonly logger: Logger; readonly again: () => void }) => {
  const stats = noRuns();
  let retry: NodeJS.Timeout | undefined;
  const stop = (): void => { clearTimeout(retry); };
  return {
    stats,
    stop,
    settle(from: number, problem: string | undefined): void {
      stats.runs++;
      options.observe(problem === undefined ? 'success' : 'fail', (performance.now() - from) / 1000);
      stop();
      stats.lastError = problem;
      if (problem === undefined) {
        stats.lastSuccess = new Date();
        stats.consecutiveFailures = 0;
        return;
      }
      stats.failures++;
      stats.consecutiveFailures++;
      stats.lastFailure = new Date();
      retry = setTimeout(options.again, retryDelay(stats));
      retry.unref();
    },
  };
};

/** Compiles what the tables say now. */
const createCompileStep = (deps: PolicyWriterDeps): (() => { readonly compiled: Compiled; readonly revision: number }) => {
  const { endpoints, policies, identities, ipcache, reserved } = deps;
  const build = createDesiredStateBuilder();
  const follower = createPolicyFollower(policies.repository);
  const updatePrefixes = createPrefixSource(ipcache, deps.families);
  return () => {
    updatePrefixes(policies);
    const { revision } = policies.repository;
    const compiled = build({ endpoints, reserved, identities, ipcache, follower, options: deps.options(), lockdown: (identity) => policies.lockdown(identity) });
    return { compiled, revision };
  };
};

/** A writer. Nothing is written before the first commit. */
export const createPolicyWriter = (deps: PolicyWriterDeps): PolicyWriter => {
  const { logger, datapath, endpoints, failpoint, observe } = deps;
  const compile = createCompileStep(deps);
  let failures: readonly ApplyFailure[] = [];
  let begun = false;
  const runs = createRunStats({ observe, logger, again: () => { loop.commit().catch(() => undefined); } });

  const loop = createCommitLoop(async (): Promise<CommitResult> => {
    const from = performance.now();
    try {
      const { compiled, revision } = compile();
      failpoint('policy-compiled');
      const report = await datapath.apply(compiled.desired);
      failpoint('policy-in-kernel');
      failures = report.failures;
      recordOutcome(endpoints, { compiled, report, revision, logger });
      runs.settle(from, failures[0]?.message);
      return { revision, failures: new Map([...endpoints].flatMap(({ id, failure }) => (failure ? [[id, failure] as const] : []))) };
    } catch (error) {
      runs.settle(from, errorMessage(error));
      logger.error({ error: errorMessage(error) }, 'policy could not be put in force');
      throw error;
    }
  });

  const commit = (): Promise<CommitResult> => {
    begun = true;
    return loop.commit();
  };
  return {
    commit,
    async refresh() {
      if (begun) await commit().catch(() => undefined);
    },
    addressFailures: () => failures.filter(({ slot }) => slot === undefined),
    stats: runs.stats,
    async close() {
      runs.stop();
      await loop.close();
    },
  };
};

/** Notes in each endpoint what is in force for it now. */
const recordOutcome = (endpoints: EndpointTable, run: { readonly compiled: Compiled; readonly report: ApplyReport; readonly revision: number; readonly logger: Logger }): void => {
  const { compiled, report, revision, logger } = run;
  const failed = failuresByEndpoint(endpoints, compiled, report.failures);
  for (const [id, { policy, lockdown }] of compiled.outcomes) {
    endpoints.update(id, (endpoint) => {
      const failure = failed.get(id);
      const enforced = policy === 'locked-down' ? { ingress: true, egress: true } : { ingress: policy.ingress.enforced, egress: policy.egress.enforced };
      const next: Endpoint = failure
        ? { ...endpoint, lockdown, failure: { reason: failure.reason, effect: failure.effect, message: failure.message } }
        : { ...endpoint, lockdown, failure: undefined, realizedRevision: lockdown === undefined ? revision : endpoint.realizedRevision, enforced };
      return logged(endpoint, next, logger);
    });
  }
};

/** Which endpoints a failure touches: its own, or those whose policy tells the address apart that could not be published. */
const failuresByEndpoint = (endpoints: EndpointTable, { desired, outcomes }: Compiled, failures: readonly ApplyFailure[]): ReadonlyMap<number, ApplyFailure> => {
  const failed = new Map<number, ApplyFailure>();
  const unpublished = new Map<number, ApplyFailure>();
  for (const failure of failures) {
    const owner = failure.slot === undefined ? ownerOf(endpoints, failure.address) : endpoints.bySlot(failure.slot);
    const identity = failure.address === undefined ? undefined : desired.addresses.get(failure.address)?.identity;
    if (owner) failed.set(owner.id, failure);
    else if (identity !== undefined) unpublished.set(identity, failure);
  }
  if (unpublished.size === 0) return failed;
  for (const [id, { policy }] of outcomes) {
    if (policy === 'locked-down' || failed.has(id)) continue;
    const touched = [policy.ingress, policy.egress].flatMap(({ byIdentity }) => [...byIdentity.keys()]).find((identity) => unpublished.has(identity));
    const failure = touched === undefined ? undefined : unpublished.get(touched);
    if (failure) failed.set(id, { ...failure, effect: 'kept-old-policy' });
  }
  return failed;
};

const ownerOf = (endpoints: EndpointTable, address: string | undefined): Endpoint | undefined => {
  const prefix = address === undefined ? undefined : parseCidr(address);
  return prefix && hostCidr(prefix.address).text === prefix.text ? endpoints.byAddress(prefix.address.text) : undefined;
};

/** Adds a line to the history where something worth telling changed. */
const logged = (before: Endpoint, after: Endpoint, logger: Logger): Endpoint => {
  if (after.failure && after.failure.message !== before.failure?.message) {
    logger.error({ endpoint: after.id, reason: after.failure.reason, effect: after.failure.effect }, after.failure.message);
    return withState(after, after.state, `${after.failure.message} (${after.failure.effect})`, 'failed');
  }
  if (after.lockdown !== undefined && after.lockdown !== before.lockdown) {
    logger.error({ endpoint: after.id, reason: after.lockdown }, 'endpoint is locked down');
    return withState(after, after.state, `locked down: ${after.lockdown}`, 'failed');
  }
  if ((before.failure && !after.failure) || (before.lockdown !== undefined && after.lockdown === undefined)) return withState(after, after.state, `policy revision ${after.realizedRevision} is in force again`);
  if (after.realizedRevision !== before.realizedRevision && before.realizedRevision !== 0) return withState(after, after.state, `policy revision ${after.realizedRevision} is in force`);
  return sameOutcome(before, after) ? before : after;
};

const sameOutcome = (a: Endpoint, b: Endpoint): boolean =>
  a.realizedRevision === b.realizedRevision && a.failure === b.failure && a.lockdown === b.lockdown && a.enforced.ingress === b.enforced.ingress && a.enforced.egress === b.enforced.egress;
