import type { DropEvent } from '@cilium-ts/agent-api';
import type { Explanation } from '@cilium-ts/policy-model';
import type { Probe } from '@cilium-ts/testbed';

/** What is tried: a TCP connection or a UDP datagram that is to be echoed, or an echo request. */
export type Kind = 'TCP' | 'UDP' | 'ICMP';

/** A port that is served. */
export interface Service {
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

/** Who opens connections and serves ports: a pod, the node itself, or the world outside. */
export interface Party {
  readonly name: string;
  readonly kind: 'pod' | 'node' | 'world';
  readonly addresses: Readonly<Record<4 | 6, string>>;
  readonly services: readonly Service[];
  readonly probe: Probe;
}

/** One connection to be tried. */
export interface Connection {
  readonly from: Party;
  readonly to: Party;
  readonly family: 4 | 6;
  readonly kind: Kind;
  /** 0 for ICMP. */
  readonly port: number;
  /** The first of ATTEMPTS client ports that no other connection uses. */
  readonly localPort: number;
}

/** How often a connection is tried, each time with more patience, until it is known what became of it. */
export const ATTEMPTS = 3;

/** What the kernel did with it. `failed`: neither an answer nor a report of a drop, or an error. */
export type Observation =
  | { readonly kind: 'open' }
  | { readonly kind: 'dropped'; readonly drop: DropEvent }
  | { readonly kind: 'failed'; readonly outcome: string };

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
export function describePort({ kind, port }: { readonly kind: Kind; readonly port: number }): string {
  return kind === 'ICMP' ? 'ping' : `${kind} ${port}`;
}

/** First client port of the demo: below the kernel's ephemeral range, above what is served. */
const FIRST_LOCAL_PORT = 16_000;

/** Client ports from here on are free for single connections. */
export const SPARE_LOCAL_PORT = 30_000;

/** Every connection between two parties of which at least one is a pod, over the families both have. */
export function allConnections(parties: readonly Party[]): Connection[] {
  const connections: Connection[] = [];
  for (const to of parties) {
    for (const from of parties) {
      if (from === to || (from.kind !== 'pod' && to.kind !== 'pod')) continue;
      for (const what of [...to.services.map(({ protocol, port }) => ({ kind: protocol, port })), { kind: 'ICMP', port: 0 } as const]) {
        for (const family of [4, 6] as const) {
          connections.push({ from, to, family, ...what, localPort: FIRST_LOCAL_PORT + connections.length * ATTEMPTS });
        }
      }
    }
  }
  return connections;
}
