import type { Explanation } from '@cilium-ts/policy-model';
import type { DropEvent } from '@cilium-ts/agent-api';
import type { ProbeKind, ServeOrder } from './probe/protocol.ts';
import type { Worker } from './probe/worker-handle.ts';

/** Who opens connections and serves ports: a pod, the node itself, or a host of the outside world. */
export interface Party {
  readonly name: string;
  readonly kind: 'pod' | 'node' | 'world';
  readonly addresses: Readonly<Record<4 | 6, string>>;
  readonly serves: ServeOrder;
  readonly worker: Worker;
}

/** One connection to be tried. */
export interface Connection {
  readonly id: number;
  readonly from: Party;
  readonly to: Party;
  readonly family: 4 | 6;
  readonly kind: ProbeKind;
  /** 0 for ICMP. */
  readonly port: number;
  readonly localPort: number;
}

/** What the kernel did with it. `silent`: neither an answer nor a report of a drop, however long we waited. */
export type Observation =
  | { readonly kind: 'open' }
  | { readonly kind: 'dropped'; readonly drop: DropEvent }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'silent' };

/** A connection, what the policies say about it and what became of it. */
export interface Verdict {
  readonly connection: Connection;
  readonly explanation: Explanation;
  readonly observation: Observation;
  /** Did the kernel do what the policies say? */
  readonly agrees: boolean;
}

/** Reasons of policy drops: no rule allows it; a deny rule forbids it (bpf/lib/drop_reasons.h). */
const POLICY_DROPS: readonly number[] = [133, 181];

/** Holds what happened against what the policies say. */
export function judge(connection: Connection, explanation: Explanation, observation: Observation): Verdict {
  const agrees = explanation.verdict === 'allowed'
    ? observation.kind === 'open'
    : observation.kind === 'dropped' && POLICY_DROPS.includes(observation.drop.reason);
  return { connection, explanation, observation, agrees };
}

/** TCP 8080, UDP 53, ping. */
export function describePort({ kind, port }: { readonly kind: ProbeKind; readonly port: number }): string {
  return kind === 'ICMP' ? 'ping' : `${kind} ${port}`;
}

/** First client port of the demo: below the kernel's ephemeral range, above what the pods serve. */
const FIRST_LOCAL_PORT = 20_000;

/** Every connection between two parties of which at least one is a pod, over both families. */
export function allConnections(parties: readonly Party[]): Connection[] {
  const connections: Connection[] = [];
  const add = (connection: Omit<Connection, 'id' | 'localPort'>): void => {
    const id = connections.length;
    connections.push({ ...connection, id, localPort: FIRST_LOCAL_PORT + id });
  };
  for (const to of parties) {
    for (const from of parties) {
      if (from === to || (from.kind !== 'pod' && to.kind !== 'pod')) continue;
      for (const family of [4, 6] as const) {
        for (const port of to.serves.tcp) add({ from, to, family, kind: 'TCP', port });
        for (const port of to.serves.udp) add({ from, to, family, kind: 'UDP', port });
        add({ from, to, family, kind: 'ICMP', port: 0 });
      }
    }
  }
  return connections;
}
