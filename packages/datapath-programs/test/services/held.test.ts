import { silentLogger } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { createServiceWriter } from '../../src/services/writer.ts';
import { PROBES, specs } from './generate.ts';
import { connect, finish, follow, type Outcome, type Remembered } from './reader.ts';
import { createMemoryServiceStore, type MemoryServiceStore } from './store.ts';
import { objection } from './traffic.ts';
import { createNumbering, createPoolNumbers, desired, type Numbering, type Spec } from './world.ts';

/** Which packet is held, when it begins (writes of the first change) and where it stops (its own memory accesses). */
interface Held {
  readonly probe: number;
  readonly hash: number;
  /** A packet of a flow that this connection opened in the first state. */
  readonly ofFlow: boolean;
  readonly begins: number;
  readonly stops: number;
}

const held: fc.Arbitrary<Held> = fc.record({
  probe: fc.nat(PROBES.length - 1),
  hash: fc.integer({ min: 0, max: 0xffff_ffff }),
  ofFlow: fc.boolean(),
  begins: fc.oneof(fc.constant(0), fc.nat(40)),
  stops: fc.nat(14),
});

/** A packet that goes on when it is told to. */
class Packet {
  readonly #reader: Generator<void, string | undefined, void>;
  #begun = false;
  done = false;
  problem: string | undefined;

  constructor(reader: Generator<void, string | undefined, void>) {
    this.#reader = reader;
  }

  begin(accesses: number): void {
    if (this.#begun) return;
    this.#begun = true;
    this.advance(accesses);
  }

  advance(accesses: number): void {
    for (let n = 0; n < accesses && !this.done; n++) {
      const step = this.#reader.next();
      if (step.done !== true) continue;
      this.done = true;
      this.problem = step.value;
    }
  }

  get isUnderWay(): boolean {
    return this.#begun && !this.done;
  }
}

function* connecting(store: MemoryServiceStore, probe: Parameters<typeof connect>[1], judge: (outcome: Outcome) => string | undefined): Generator<void, string | undefined, void> {
  return judge(yield* connect(store, probe));
}

function* following(store: MemoryServiceStore, flow: Remembered): Generator<void, string | undefined, void> {
  const endpoint = yield* follow(store, flow);
  return endpoint === undefined || endpoint === flow.endpoint ? undefined : `strayed: ${flow.endpoint} -> ${endpoint}`;
}

/** One packet stands still while the writer goes through as many changes as it can without a grace period. */
async function run(sequence: readonly Spec[], how: Held, numberings: () => Numbering): Promise<void> {
  const store = createMemoryServiceStore();
  const writer = await createServiceWriter({ store, logger: silentLogger }, { reclaimDelayMs: 60_000 });
  const [first, ...rest] = sequence;
  if (first === undefined) return;
  await writer.apply(desired(numberings().records(first)));
  await writer.settled();
  const probe = { ...PROBES[how.probe]!, hash: how.hash };
  const before = finish(connect(store, probe));
  let applied = 0;
  const judge = (outcome: Outcome): string | undefined => objection({ probe, outcome }, sequence.slice(0, applied + 2), false);
  const packet = new Packet(how.ofFlow && before.result === 'backend' ? following(store, before.backend) : connecting(store, probe, judge));
  let release: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (release = resolve));
  let left = how.begins;
  store.onStep = () => {
    if (left-- <= 0) packet.begin(how.stops);
  };
  store.onGrace = async () => {
    if (packet.isUnderWay) await gone;
  };
  const changes = (async () => {
    for (const spec of rest) {
      await writer.apply(desired(numberings().records(spec)));
      applied++;
    }
  })();
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
  packet.begin(how.stops);
  packet.advance(1000);
  release();
  await changes;
  if (packet.problem !== undefined) throw new Error(`${packet.problem}\n${sequence.map((spec) => JSON.stringify(spec)).join('\n')}`);
}

describe('a packet that stands still while the writer goes on', () => {
  it.each([
    ['as a model does', () => {
      const numbering = createNumbering();
      return () => numbering;
    }],
    ['again as soon as they have been given back', () => {
      const numbering = createNumbering({ services: 12, backends: 36, hasty: true });
      return () => numbering;
    }],
    ['anew each time', () => {
      const pools = createPoolNumbers();
      return () => createNumbering({}, pools);
    }],
  ])('is led to nobody else’s backend, where numbers are given %s', async (_, numbering) => {
    await fc.assert(fc.asyncProperty(specs, held, (sequence, how) => run(sequence, how, numbering())), { numRuns: 700 });
  }, 600_000);
});
