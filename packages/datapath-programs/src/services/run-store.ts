import type { WordBlock } from './ports.ts';
import type { RestQueue } from './rest-queue.ts';
import { createRunSpace, orderOf } from './run-space.ts';

/** Indexes of backends in the kernel, for the services of one pool. */
export interface StoredRun {
  /** Of the first word. */
  readonly offset: number;
  /** Indexes: two to a word. */
  readonly length: number;
  /** What a service's `target` is to lead here. */
  readonly target: bigint;
  /** Services that use it. */
  uses: number;
}

/** Runs in the kernel. */
export interface RunStore {
  /** Writes a run that nobody uses yet. Undefined when there is no room. */
  write(indexes: Uint32Array): StoredRun | undefined;
  /** One use more. */
  use(run: StoredRun): StoredRun;
  /** One use less, after no service leads there any more. The words rest for a grace period. */
  release(run: StoredRun): void;
  /** Takes back a run that was written in vain. */
  discard(run: StoredRun): void;
  /** The run that a service found in the kernel leads to, one use added. Undefined when the target makes no sense. */
  adopt(target: bigint): StoredRun | undefined;
  /** The indexes of a run. */
  read(run: StoredRun): Uint32Array;
  /** Would so many indexes fit where this run is? */
  fitsInPlaceOf(run: StoredRun, length: number): boolean;
  /** Does the run hold exactly these? */
  holds(run: StoredRun, indexes: Uint32Array): boolean;
}

/** The run store over the words of cilium_service_runs. */
export function createRunStore(words: WordBlock, rest: RestQueue): RunStore {
  const space = createRunSpace(words.length);
  const adopted = new Map<bigint, StoredRun>();
  const read = ({ offset, length }: StoredRun): Uint32Array => readRun(words, offset, length);
  const give = ({ offset, length }: StoredRun): void => space.give(offset, wordsOf(length));

  return {
    read,
    discard: give,
    write(indexes) {
      const offset = space.take(wordsOf(indexes.length));
      if (offset === undefined) return undefined;
      words.write(offset, pack(indexes));
      return { offset, length: indexes.length, target: runTarget(offset, indexes.length), uses: 0 };
    },
    use(run) {
      run.uses++;
      return run;
    },
    release(run) {
      run.uses--;
      if (run.uses > 0) return;
      adopted.delete(run.target);
      rest.later(() => give(run));
    },
    adopt(target) {
      const known = adopted.get(target);
      if (known !== undefined) {
        known.uses++;
        return known;
      }
      const [place, length] = splitTarget(target);
      const offset = place / 2;
      if (length === 0 || place % 2 !== 0 || offset + wordsOf(length) > words.length || !space.claim(offset, wordsOf(length))) return undefined;
      const run = { offset, length, target, uses: 1 };
      adopted.set(target, run);
      return run;
    },
    fitsInPlaceOf: (run, length) => orderOf(wordsOf(length)) <= orderOf(wordsOf(run.length)),
    holds(run, indexes) {
      if (run.length !== indexes.length) return false;
      const found = read(run);
      return indexes.every((index, place) => found[place] === index);
    },
  };
}

/** The `target` word of a run. */
function runTarget(offset: number, length: number): bigint {
  return (BigInt(length) << 32n) | BigInt(offset * 2);
}

/** Where the first index stands, and how many there are. */
export function splitTarget(target: bigint): [place: number, length: number] {
  return [Number(target & 0xffff_ffffn), Number(target >> 32n)];
}

/** The indexes of `length` places from word `offset` on. */
export function readRun(words: WordBlock, offset: number, length: number): Uint32Array {
  const into = new BigUint64Array(wordsOf(length));
  words.read(offset, into);
  return new Uint32Array(into.buffer, 0, length);
}

function wordsOf(length: number): number {
  return Math.ceil(length / 2);
}

function pack(indexes: Uint32Array): BigUint64Array {
  const packed = new BigUint64Array(wordsOf(indexes.length));
  new Uint32Array(packed.buffer).set(indexes);
  return packed;
}
