import { errorMessage, hostCidr, ipFromKey16, macFromBytes, type Logger } from '@cilium-ts/core';
import { CELL_FLAG, ENDPOINT_FLAG } from '@cilium-ts/datapath-layout';
import { DatapathError } from '../error.ts';
import type { DatapathStore } from '../ports.ts';
import type { ApplyReport, DesiredAddress, DesiredState, RestoredEndpoint, RestoredState, Slot } from '../state/desired.ts';
import type { WorldIdentities } from '../state/normalise.ts';
import { applyOnce } from './apply.ts';
import { hasGarbage, reclaimAll } from './obtain.ts';
import { restoreWriter, type ActiveSlot, type WriterState } from './state.ts';
import { peerIdentity } from './version.ts';

/** The single writer of the datapath's maps. */
export interface Writer {
  readonly restored: RestoredState;
  apply(desired: DesiredState): Promise<ApplyReport>;
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** How the writer behaves. */
export interface WriterOptions {
  readonly world: WorldIdentities;
  /** How long after a change unused policies are deleted, if no other change comes. Default 50 ms. */
  readonly reclaimDelayMs?: number;
}

/** Opens the writer: waits a grace period, so that nobody is under what a previous run replaced, and reads the maps. */
export async function createWriter(deps: { store: DatapathStore; logger: Logger }, options: WriterOptions): Promise<Writer> {
  const { store, logger } = deps;
  const reopen = async (): Promise<WriterState> => {
    await store.gracePeriod();
    return restoreWriter(deps, options.world).state;
  };
  let state: WriterState | undefined = await reopen();
  let queue: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const turn = queue.then(task);
    queue = turn.catch(() => undefined);
    return turn;
  };
  const settle = async (): Promise<void> => {
    while (state !== undefined && hasGarbage(state)) {
      await state.grace.wait(state.grace.mark());
      reclaimAll(state);
    }
    if (state === undefined) return;
    await state.grace.wait(state.grace.mark());
    state.remotes.settle();
  };
  const reclaimSoon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      inTurn(settle).catch((error: unknown) => logger.warn({ error: errorMessage(error) }, 'deleting unused policies failed'));
    }, options.reclaimDelayMs ?? 50);
    timer.unref();
  };
  const applyInTurn = async (desired: DesiredState): Promise<ApplyReport> => {
    if (closed) throw new DatapathError('closed', 'apply a state: the datapath is closed');
    state ??= await reopen();
    try {
      return await applyOnce(state, desired);
    } catch (cause) {
      if (cause instanceof TypeError || cause instanceof RangeError) throw cause;
      // What was written is unknown: the next pass begins by reading the maps.
      state = undefined;
      throw new DatapathError('map-failed', `apply a state: ${errorMessage(cause)}`, { cause });
    } finally {
      if (!closed) reclaimSoon();
    }
  };

  return {
    restored: restoredState(state),
    apply: (desired) => inTurn(() => applyInTurn(desired)),
    settled: () => inTurn(settle),
    async close() {
      closed = true;
      clearTimeout(timer);
      await inTurn(async () => undefined);
    },
  };
}

function restoredState(state: WriterState): RestoredState {
  const addresses = new Map<string, DesiredAddress>();
  for (const [text, { target }] of state.book.entries) {
    if (target.kind === 'remote') addresses.set(text, { identity: target.identity, ...(target.host && { host: true }) });
  }
  const identities = new Set([...state.slots.values()].map(({ identity }) => identity));
  for (const { identity } of addresses.values()) identities.add(identity);
  for (const version of state.versions.all()) for (const key of version.entries.keys()) identities.add(peerIdentity(key));
  const endpoints = new Map<Slot, RestoredEndpoint>([...state.slots].map(([slot, active]) => [slot, restoredEndpoint(active)]));
  return { found: state.epoch > 0n || endpoints.size > 0 || addresses.size > 0, endpoints, addresses, identities };
}

function restoredEndpoint({ slot, info, identity, flags, revision }: ActiveSlot): RestoredEndpoint {
  return {
    slot, identity, revision,
    id: info.endpointId,
    ifindex: info.ifindex,
    mac: macFromBytes(info.mac),
    hostMac: macFromBytes(info.hostMac),
    lockedDown: (flags & CELL_FLAG.LOCKED_DOWN) !== 0,
    ...((info.flags & ENDPOINT_FLAG.IPV4) !== 0 && { ipv4: hostCidr(ipFromKey16(info.address4)).address }),
    ...((info.flags & ENDPOINT_FLAG.IPV6) !== 0 && { ipv6: hostCidr(ipFromKey16(info.address6)).address }),
  };
}
