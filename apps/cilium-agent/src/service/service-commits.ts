import { errorMessage } from '@cilium-ts/core';
import type { IpAddress, Logger } from '@cilium-ts/core';
import type { ServiceApplyReport, ServiceWriter } from '@cilium-ts/datapath-programs';
import type { LoadBalancer } from '@cilium-ts/loadbalancer';
import { createCommitLoop } from '../compile/commit-loop.ts';
import { noRuns, retryDelay } from '../compile/recurring.ts';
import type { RecurringStats } from '../compile/recurring.ts';
import type { Failpoint } from '../lifecycle/failpoint.ts';

/** Puts what the load balancer's model says into the datapath. */
export interface ServiceCommits {
  /** Brings the datapath up to date with everything that was in the model when this was called. */
  commit(): Promise<ServiceApplyReport>;
  /** What the last commit could not do; undefined before the first. */
  readonly report: ServiceApplyReport | undefined;
  readonly stats: RecurringStats;
  close(): Promise<void>;
}

/** What commits work with. */
export interface ServiceCommitsDeps {
  readonly balancer: Pick<LoadBalancer, 'take' | 'records' | 'setNodeAddresses'>;
  readonly writer: Pick<ServiceWriter, 'apply'>;
  readonly nodeAddresses: () => readonly IpAddress[];
  /** Told after each commit. */
  readonly committed: (report: ServiceApplyReport) => void;
  readonly failpoint: Failpoint;
  readonly logger: Logger;
}

/** Commits, none made yet. One that fails is repeated, ever more slowly, with everything compared. */
export const createServiceCommits = ({ balancer, writer, nodeAddresses, committed, failpoint, logger }: ServiceCommitsDeps): ServiceCommits => {
  const stats = noRuns();
  let report: ServiceApplyReport | undefined;
  let compareAll = true;
  let retry: NodeJS.Timeout | undefined;

  const apply = async (): Promise<ServiceApplyReport> => {
    const addresses = nodeAddresses();
    balancer.setNodeAddresses(addresses);
    const changed = balancer.take();
    const desired = { records: balancer.records(), nodeAddresses: addresses };
    failpoint('services-compiled');
    const result = await writer.apply(compareAll ? desired : { ...desired, changed });
    compareAll = false;
    failpoint('services-in-kernel');
    return result;
  };
  const failed = (error: unknown): void => {
    compareAll = true;
    stats.failures++;
    stats.consecutiveFailures++;
    stats.lastFailure = new Date();
    stats.lastError = errorMessage(error);
    logger.error({ error: stats.lastError }, 'services could not be put in force');
    retry = setTimeout(() => { loop.commit().catch(() => undefined); }, retryDelay(stats));
    retry.unref();
  };
  const loop = createCommitLoop(async () => {
    clearTimeout(retry);
    stats.runs++;
    try {
      report = await apply();
    } catch (error) {
      failed(error);
      throw error;
    }
    Object.assign(stats, { lastSuccess: new Date(), lastError: undefined, consecutiveFailures: 0 });
    committed(report);
    return report;
  });

  return {
    commit: () => loop.commit(),
    get report() {
      return report;
    },
    stats,
    async close() {
      clearTimeout(retry);
      await loop.close();
    },
  };
};
