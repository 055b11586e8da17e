import { connect, follow, oracle, type Outcome, type Probe, type Remembered } from './reader.ts';
import { PROBES } from './generate.ts';
import type { MemoryServiceStore } from './store.ts';
import type { Spec } from './world.ts';

/** A connection, what became of it, and during which changes it was under way. */
export interface Seen {
  readonly probe: Probe;
  readonly outcome: Outcome;
  readonly began: number;
  readonly ended: number;
}

/** Connections and packets of flows under way while the writer writes: each makes some accesses between any two writes. */
export interface ServiceTraffic {
  readonly seen: Seen[];
  /** Packets of flows that went to another endpoint than the one the flow had. */
  readonly strayed: string[];
  /** Number of the change under way: set by the test. */
  phase: number;
  drain(): void;
}

interface Running {
  readonly advance: () => boolean;
  readonly slow: boolean;
}

/** Starts traffic on a store; `random` gives numbers from 0 up to its argument. */
export function startServiceTraffic(store: MemoryServiceStore, random: (below: number) => number, parallel = 6): ServiceTraffic {
  const running: Running[] = [];
  const flows: Remembered[] = [];
  const affinities = new Map<string, Remembered>();
  const begin = (): Running => {
    const slow = random(2) === 0;
    const flow = flows[random(flows.length)];
    if (flow !== undefined && random(3) === 0) return { slow, advance: following(flow) };
    const probe = { ...(PROBES[random(PROBES.length)] ?? PROBES[0]!), hash: random(2 ** 32) };
    return { slow, advance: connecting(probe) };
  };
  const connecting = (probe: Probe): (() => boolean) => {
    const reader = connect(store, probe, affinities);
    const began = traffic.phase;
    return () => {
      const step = reader.next();
      if (step.done !== true) return false;
      traffic.seen.push({ probe, outcome: step.value, began, ended: traffic.phase });
      if (step.value.result === 'backend') flows[random(64)] = step.value.backend;
      return true;
    };
  };
  const following = (flow: Remembered): (() => boolean) => {
    const reader = follow(store, flow);
    return () => {
      const step = reader.next();
      if (step.done !== true) return false;
      if (step.value !== undefined && step.value !== flow.endpoint) traffic.strayed.push(`${flow.endpoint} -> ${step.value}`);
      return true;
    };
  };
  const advance = (each: Running): void => {
    if (each.advance()) running.splice(running.indexOf(each), 1);
  };
  const finish = (some: readonly Running[]): void => {
    for (const each of some) while (running.includes(each)) advance(each);
  };
  const traffic: ServiceTraffic = { seen: [], strayed: [], phase: 0, drain: () => finish([...running]) };
  store.onStep = () => {
    while (running.length < parallel) running.push(begin());
    for (let accesses = random(16); accesses > 0; accesses--) {
      const each = running[random(running.length)];
      if (each !== undefined && (!each.slow || random(12) === 0)) advance(each);
    }
  };
  // A grace period takes its time, and ends when those have ended that were under way when it began.
  store.onGrace = async () => {
    const begun = [...running];
    await new Promise((resolve) => setImmediate(resolve));
    finish(begun);
  };
  return traffic;
}

/**
 * What is wrong with an outcome, given the states that were in force meanwhile or about to be; undefined: nothing.
 * Backends must be the frontend's, in a pool that the client may come to, in any of these states.
 */
export function objection({ probe, outcome }: Pick<Seen, 'probe' | 'outcome'>, passed: readonly Spec[], strict: boolean): string | undefined {
  const allowed = passed.map((spec) => oracle(spec, probe));
  const said = outcome.result === 'backend' ? `backend ${outcome.backend.endpoint}` : outcome.result;
  const text = `${probe.from} ${probe.client} -> ${probe.to}: ${said}; expected one of ${JSON.stringify(allowed)}`;
  if (outcome.result === 'backend') {
    const owner = allowed.flatMap(({ owned }) => owned).find(({ endpoint }) => endpoint === outcome.backend.endpoint);
    if (owner === undefined) return `never theirs: ${text}`;
    if (passed.length === 1 && !allowed[0]?.endpoints.includes(outcome.backend.endpoint)) return `not theirs now: ${text}`;
    return allowed.some(({ open }) => open.includes(owner.pool)) ? undefined : `closed to the client: ${text}`;
  }
  if (allowed.some(({ result }) => result === outcome.result)) return undefined;
  if (outcome.result === 'refused') return `refused by nobody: ${text}`;
  // A service that is there throughout does not fail, unless its backends changed twice under the connection.
  const lasting = allowed.every(({ result }) => result === 'backend') && passed.length <= 2;
  return strict && lasting ? `failed: ${text}` : undefined;
}
