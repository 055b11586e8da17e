import type { Direction } from '../../model/rule.ts';
import type { ChosenTerm } from './choose-selector.ts';
import { chooseSelector, mainLabel } from './choose-selector.ts';
import type { Traffic } from './traffic.ts';
import type { Workload } from './workload.ts';

/** Workloads that one policy is for, and that rules name together. */
export interface Group {
  readonly members: readonly Traffic[];
  readonly namespace: string;
  readonly cluster: string | undefined;
  readonly selector: readonly ChosenTerm[];
}

/**
 * Puts workloads together that have the same main label and the very same traffic, each peer and port: rules from
 * group to group then allow nothing but what was seen between each two of their members.
 */
export function groupWorkloads(all: readonly Traffic[]): Group[] {
  const classes = new Map<string, Traffic[]>();
  for (const traffic of all) {
    const { workload } = traffic;
    const main = mainLabel(workload);
    const key = JSON.stringify([workload.cluster, workload.namespace, main, main === undefined ? undefined : workload.labels.get(main), signature(traffic)]);
    classes.set(key, [...(classes.get(key) ?? []), traffic]);
  }
  return [...classes.values()].flatMap((members) => select(members, all));
}

function select(members: readonly Traffic[], all: readonly Traffic[]): Group[] {
  const { namespace, cluster } = members[0]!.workload;
  const others = all.filter((other) => other.workload.namespace === namespace && other.workload.cluster === cluster && !members.includes(other));
  const selector = chooseSelector(members.map(workload), others.map(workload));
  if (selector !== undefined) return [{ members, namespace, cluster, selector }];
  return members.flatMap((member) => select([member], all));
}

const workload = (traffic: Traffic): Workload => traffic.workload;

function signature({ peers }: Traffic): unknown {
  const side = (direction: Direction): unknown =>
    [...peers[direction]]
      .map(([key, { edges }]) => [key, [...edges].map(([port, { requests }]) => [port, [...requests.keys()].sort()]).sort(compareFirst)])
      .sort(compareFirst);
  return [side('ingress'), side('egress')];
}

function compareFirst(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a[0]) < String(b[0]) ? -1 : 1;
}
