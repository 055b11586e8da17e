import type { Status, StatusResponse } from '@cilium-ts/agent-api';
import type { KeeperStatus } from '../reconcile/keeper.ts';

/** Problems that are shown in full. */
const SHOWN = 10;

/** What is kept in the kernel, in one line, or what of it is missing. A missing filter lets packets pass unchecked or drops them: a failure. */
export const repairStatus = (statuses: readonly KeeperStatus[]): Status => {
  const problems = statuses.flatMap((status) => status.problems);
  if (problems.length === 0) return { state: 'Ok', msg: statuses.map(({ name, ok, repaired }) => `${name}: ${ok} kept, ${repaired} repaired`).join('; ') };
  const open = statuses.some((status) => status.name === 'endpoint-filters' && status.problems.length > 0);
  return { state: open ? 'Failure' : 'Warning', msg: [...problems.slice(0, SHOWN), ...(problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [])].join('\n') };
};

/** Each kind as a recurring job; a success is a full pass. */
export const repairControllers = (statuses: readonly KeeperStatus[]): StatusResponse['controllers'] =>
  statuses.map(({ name, passes, lastPass, failures, lastFailure, problems }) => ({
    name: `reconcile-${name}`,
    status: {
      'success-count': passes, 'failure-count': failures, 'consecutive-failure-count': problems.length,
      ...(lastPass !== undefined && { 'last-success-timestamp': new Date(lastPass).toISOString() }),
      ...(lastFailure && { 'last-failure-timestamp': lastFailure.toISOString() }),
      ...(problems[0] !== undefined && { 'last-failure-msg': problems[0] }),
    },
  }));
