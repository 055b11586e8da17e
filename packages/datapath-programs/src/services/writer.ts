import { errorMessage, type Logger } from '@cilium-ts/core';
import { DatapathError } from '../error.ts';
import { applyPass } from './apply.ts';
import { planPass, type Pass } from './plan.ts';
import type { ServiceStore } from './ports.ts';
import type { DesiredServices, RestoredServices, ServiceApplyReport } from './records.ts';
import { restoreServices, type ServicesState } from './state.ts';

/** The single writer of the maps of services. */
export interface ServiceWriter {
  /** What was in force when the writer was opened. */
  readonly restored: RestoredServices;
  /**
   * Brings the kernel to the desired services. Calls are served one after the other. A change of backends is in force
   * when the promise resolves, and so is all else that fitted.
   * @throws RangeError for records that contradict each other; then nothing has been changed
   * @throws DatapathError `map-failed` when the kernel refuses what should work; the next call repairs what is half done
   */
  apply(desired: DesiredServices): Promise<ServiceApplyReport>;
  /** Resolves when nothing of previous states is in use any more, and its ids, indexes and places are free again. */
  settled(): Promise<void>;
  /** Waits for a call under way. The services stay in force. Idempotent. */
  close(): Promise<void>;
}

/** Long enough for a burst of changes to share a grace period. */
const RECLAIM_DELAY_MS = 50;

/** How the writer behaves. */
export interface ServiceWriterOptions {
  /** How long after a change what it left behind is freed. Default 50 ms. */
  readonly reclaimDelayMs?: number;
}

/** Opens the writer: waits a grace period, so that nobody is under what a previous run replaced, and reads the maps. */
export async function createServiceWriter(deps: { readonly store: ServiceStore; readonly logger: Logger }, options: ServiceWriterOptions = {}): Promise<ServiceWriter> {
  return new MapServiceWriter(deps, options.reclaimDelayMs ?? RECLAIM_DELAY_MS, await reopen(deps));
}

type Dependencies = Parameters<typeof createServiceWriter>[0];

async function reopen(deps: Dependencies): Promise<ServicesState> {
  await deps.store.gracePeriod();
  return restoreServices(deps);
}

function plan(state: ServicesState, desired: DesiredServices): Pass {
  try {
    return planPass(state, desired);
  } catch (error) {
    // The changes that were named with these records are lost.
    state.compareAll = true;
    throw error;
  }
}

class MapServiceWriter implements ServiceWriter {
  readonly restored: RestoredServices;
  readonly #deps: Dependencies;
  readonly #reclaimDelayMs: number;
  /** Undefined when it is unknown what lies in the maps: then the next pass begins by reading them. */
  #state: ServicesState | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(deps: Dependencies, reclaimDelayMs: number, state: ServicesState) {
    this.#deps = deps;
    this.#reclaimDelayMs = reclaimDelayMs;
    this.#state = state;
    this.restored = restoredOf(state);
  }

  apply(desired: DesiredServices): Promise<ServiceApplyReport> {
    return this.#inTurn(async () => {
      if (this.#closed) throw new DatapathError('closed', 'apply services: the writer is closed');
      const state = await this.#repairing(async () => {
        this.#state ??= await reopen(this.#deps);
        this.#state.rest.reclaim();
        return this.#state;
      });
      let pass = plan(state, desired);
      if (pass.wantsResting) {
        await this.#repairing(() => state.rest.settle());
        pass = plan(state, desired);
      }
      try {
        return await this.#repairing(() => applyPass(pass));
      } finally {
        this.#reclaimSoon();
      }
    });
  }

  async settled(): Promise<void> {
    do await this.#settle();
    while (!this.#closed && this.#state !== undefined && this.#state.rest.pending > 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#inTurn(() => undefined);
  }

  #inTurn<T>(task: () => Promise<T> | T): Promise<T> {
    const turn = this.#queue.then(task);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #repairing<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (cause) {
      this.#state = undefined;
      throw new DatapathError('map-failed', `apply services: ${errorMessage(cause)}`, { cause });
    }
  }

  /** The grace period is waited for outside the queue: changes must not wait for it. */
  async #settle(): Promise<void> {
    const state = await this.#inTurn(() => this.#state);
    if (state === undefined) return;
    await state.grace.wait(state.grace.mark());
    await this.#inTurn(() => state === this.#state && !this.#closed && state.rest.reclaim());
  }

  #reclaimSoon(): void {
    if (this.#closed || this.#timer !== undefined || this.#state === undefined || this.#state.rest.pending === 0) return;
    this.#timer = setTimeout(() => void this.#reclaim(), this.#reclaimDelayMs);
    this.#timer.unref();
  }

  async #reclaim(): Promise<void> {
    try {
      await this.#settle();
    } catch (error) {
      this.#state = undefined;
      this.#deps.logger.warn({ error: errorMessage(error) }, 'freeing what services left behind failed');
    }
    this.#timer = undefined;
    this.#reclaimSoon();
  }
}

function restoredOf({ byId, backends }: ServicesState): RestoredServices {
  return { services: new Map([...byId].map(([id, { record }]) => [id, record])), backends: new Map(backends.live) };
}
