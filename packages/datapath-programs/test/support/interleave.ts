import type { DesiredState } from '../../src/state/desired.ts';
import type { MemoryStore } from './memory-store.ts';
import { bucketCounter, readPacket, type Observation, type Probe } from './reader.ts';
import { ipToKey16 } from '@cilium-ts/core';

/** Packets under way while the writer writes: each makes some memory accesses between any two writes. */
export interface Traffic {
  readonly observations: Observation[];
  /** Lets every packet under way end. */
  drain(): void;
}

/** Runs packets in between the writes of a store; `random` gives numbers from 0 up to its argument. */
export function startTraffic(store: MemoryStore, all: readonly Probe[], random: (below: number) => number, parallel = 4): Traffic {
  const running: Generator<void, Observation, void>[] = [];
  const observations: Observation[] = [];
  const advance = (index: number): void => {
    const step = running[index]?.next();
    if (step?.done !== true) return;
    observations.push(step.value);
    running.splice(index, 1);
  };
  const fill = (): void => {
    while (running.length < parallel) {
      const probe = all[random(all.length)];
      if (probe === undefined) return;
      running.push(readPacket(store, probe));
    }
  };
  const drain = (): void => {
    while (running.length > 0) advance(0);
  };
  store.onStep = () => {
    fill();
    for (let accesses = random(14); accesses > 0 && running.length > 0; accesses--) advance(random(running.length));
  };
  // A grace period ends when those have ended that were under way when it began.
  store.onGrace = drain;
  return { observations, drain };
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
