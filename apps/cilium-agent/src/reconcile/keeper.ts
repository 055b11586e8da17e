import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { createReconciler, createSyncGate } from '@cilium-ts/reconciler';
import type { Failure, Reconciler, ReconcilerStatus, Table } from '@cilium-ts/reconciler';

/** What is kept: a record says all about one object of the kernel's, in the words of its kind. */
export interface Kept {
  readonly key: string;
  /** For people: `route 10.244.0.2/32`. */
  readonly what: string;
}

/** One kind of kernel objects. */
export interface Kind<R extends Kept> {
  readonly name: string;
  readonly desired: Table<R>;
  /** Keys of those desired objects that are there and whole. */
  present(): Promise<Iterable<string>>;
  /** Makes the object if it is missing; whether it was. Must not touch anything that is no longer desired. */
  repair(record: R): Promise<boolean>;
  /** Calls `touch` with the key of what somebody may just have taken away, and `all` if events were lost. */
  watch?(touch: (key: string) => void, all: () => void): { close(): void };
}

/** How one kind fares. */
export interface KeeperStatus extends ReconcilerStatus {
  /** Objects found missing and made again since the start. */
  readonly repaired: number;
  /** Failed attempts since the start. */
  readonly failures: number;
  readonly lastFailure: Date | undefined;
  /** What is not as it should be now, in words. */
  readonly problems: readonly string[];
}

/** Keeps the objects of one kind in the kernel from `start` to `close`. What it made stays when it closes. */
export interface Keeper {
  start(): void;
  status(): KeeperStatus | undefined;
  close(): Promise<void>;
}

/** Objects that are repaired at a time. */
const BATCH = 64;

/** A keeper of one kind, with a full pass every `interval` milliseconds. */
export const createKeeper = <R extends Kept>(kind: Kind<R>, { interval, logger }: { readonly interval: number; readonly logger: Logger }): Keeper => {
  const { name, desired } = kind;
  const counts: { repaired: number; failures: number; lastFailure: Date | undefined } = { repaired: 0, failures: 0, lastFailure: undefined };
  let reconciler: Reconciler | undefined;
  let watch: { close(): void } | undefined;

  const failed = (): void => {
    counts.failures++;
    counts.lastFailure = new Date();
  };
  const repair = async (record: R): Promise<Failure[]> => {
    try {
      if (await kind.repair(record)) {
        counts.repaired++;
        logger.warn({ kind: name }, `${record.what} was gone, put back`);
      }
      return [];
    } catch (error) {
      failed();
      return [{ key: record.key, error }];
    }
  };
  const list = async (): Promise<Iterable<string>> => {
    try {
      return await kind.present();
    } catch (error) {
      failed();
      throw error;
    }
  };
  const touch = (key: string): void => {
    const record = desired.get(key);
    // A record that is another object counts as changed, so that it is looked at now.
    if (record) desired.upsert({ ...record });
  };

  return {
    start() {
      watch = kind.watch?.(touch, () => reconciler?.trigger());
      const target = {
        list,
        apply: async (records: readonly R[]): Promise<Failure[]> => (await Promise.all(records.map(repair))).flat(),
        // What is not wanted any more is taken away by whoever ends it, with its device.
        remove: (): void => undefined,
      };
      reconciler = createReconciler<R, string>({ logger, desired, target, synchronised: createSyncGate([]) }, { name, keyOf: (key) => key, matches: () => true, interval, batchSize: BATCH });
    },
    status() {
      if (!reconciler) return undefined;
      const status = reconciler.status();
      const failing = [...reconciler.health()].filter(({ state }) => state === 'failing').map(({ key, error }) => `${desired.get(key)?.what ?? key}: ${error}`);
      return { ...status, ...counts, problems: [...(status.listError === undefined ? [] : [`${name} can not be checked: ${status.listError}`]), ...failing] };
    },
    async close() {
      watch?.close();
      await reconciler?.close();
    },
  };
};

/** Follows a watch in the background; its end by failure is logged, and full passes go on. */
export const followWatch = <E>(watch: AsyncIterable<E> & { close(): void }, logger: Logger, handle: (event: E) => void): { close(): void } => {
  const follow = async (): Promise<void> => {
    for await (const event of watch) handle(event);
  };
  follow().catch((error: unknown) => { logger.error({ error: errorMessage(error) }, 'watching for what others take away ended'); });
  return watch;
};
