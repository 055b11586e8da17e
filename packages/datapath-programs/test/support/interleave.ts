import type { DesiredState } from '../../src/state/desired.ts';
import type { MemoryStore } from './memory-store.ts';
import { bucketCounter, readPacket, type Observation, type Probe } from './reader.ts';
import { ipToKey16 } from '@cilium-ts/core';

/** What a packet was told, and during which changes it was under way. */
export interface TimedObservation extends Observation {
  readonly began: number;
  readonly ended: number;
}

/** Packets under way while the writer writes: each makes some memory accesses between any two writes. */
export interface Traffic {
  readonly observations: TimedObservation[];
  /** Number of the change under way: set by the test. */
  phase: number;
  /** Lets every packet under way end. */
  drain(): void;
}

interface Running {
  readonly reader: Generator<void, Observation, void>;
  readonly began: number;
  /** One of twelve chances is taken: such a packet sees many writes, and several changes. */
  readonly slow: boolean;
}

/** Runs packets in between the writes of a store; `random` gives numbers from 0 up to its argument. */
export function startTraffic(store: MemoryStore, all: readonly Probe[], random: (below: number) => number, parallel = 6): Traffic {
  const running: Running[] = [];
  const advance = (each: Running): void => {
    const step = each.reader.next();
    if (step.done !== true) return;
    traffic.observations.push({ ...step.value, began: each.began, ended: traffic.phase });
    running.splice(running.indexOf(each), 1);
  };
  const finish = (some: readonly Running[]): void => {
    for (const each of some) while (running.includes(each)) advance(each);
  };
  const fill = (): void => {
    while (running.length < parallel) {
      const probe = all[random(all.length)];
      if (probe !== undefined) running.push({ reader: readPacket(store, probe), began: traffic.phase, slow: random(2) === 0 });
    }
  };
  const traffic: Traffic = { observations: [], phase: 0, drain: () => finish([...running]) };
  store.onStep = () => {
    fill();
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

/** Whether a flow that remembers an observation would still be believed. */
export function stillBelieved(store: MemoryStore, { witness, probe }: Observation): boolean {
  const parity = Number(store.node.load(0) % 2n);
  return witness.length > 0 && witness.every(([what, value]) => {
    const [kind, name] = what.split(' ');
    if (kind === 'bucket') return bucketCounter(store, ipToKey16(probe.destination)) === value;
    const base = Number(name) * 8 + parity * 4;
    return Number(store.cells.load(base + (kind === 'generation' ? 1 : 0)) >> 32n) === value;
  });
}

/** Is the packet one between endpoints (or from one to an address) that both states have alike? */
export function isLasting({ ifindex, destination }: Probe, before: DesiredState, after: DesiredState): boolean {
  const source = [...before.endpoints].find(([, each]) => each.ifindex === ifindex);
  if (source === undefined || after.endpoints.get(source[0])?.ifindex !== ifindex) return false;
  const owner = (state: DesiredState) => [...state.endpoints].find(([, each]) => each.ipv4?.text === destination.text)?.[0];
  return owner(before) === owner(after);
}
