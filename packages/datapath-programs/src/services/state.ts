import type { Logger } from '@cilium-ts/core';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { createGraceTracker, type GraceTracker } from '../write/grace.ts';
import { BackendTable } from './backend-table.ts';
import { FrontendTable, readFrontends, type FrontendIdentity } from './frontend-table.ts';
import type { ServiceStore } from './ports.ts';
import { PoolMembers } from './pool-members.ts';
import { frontendText, type ServiceFailure, type ServiceRecord } from './records.ts';
import { createRestQueue, type RestQueue } from './rest-queue.ts';
import { createRunStore, type RunStore, type StoredRun } from './run-store.ts';
import { readService, ServiceTable } from './service-table.ts';
import { SourceRanges, wantedRanges } from './source-ranges.ts';
import { VipFilter } from './vip-filter.ts';

/** A service that a frontend leads to. */
export interface ActiveService {
  /** As it is in the kernel. A wildcard found in the kernel has id 0 until it is wanted again. */
  record: ServiceRecord;
  readonly text: string;
  readonly wildcard: boolean;
  /** Undefined: no backend. */
  run: StoredRun | undefined;
}

/** The writer's picture of the kernel; exact while no write has failed. */
export interface ServicesState {
  readonly store: ServiceStore;
  readonly grace: GraceTracker;
  readonly rest: RestQueue;
  readonly frontends: FrontendTable;
  readonly services: ServiceTable;
  readonly ranges: SourceRanges;
  readonly backends: BackendTable;
  readonly members: PoolMembers;
  readonly runs: RunStore;
  readonly vips: VipFilter;
  readonly byText: Map<string, ActiveService>;
  readonly byId: Map<number, ActiveService>;
  /** The services that use a pool's run. */
  readonly pools: Map<number, Set<ActiveService>>;
  /** Ids whose frontend has gone, until a grace period has passed. */
  readonly restingIds: Set<number>;
  /** By service id. */
  readonly failures: Map<number, ServiceFailure>;
  /** Is it unknown what differs from the desired records? After opening, and after a pass that broke off. */
  compareAll: boolean;
  /** Grows with whatever makes room; `triedAt` is what it was when the failures were last tried again. */
  room: number;
  triedAt: number;
}

/** Whether remote backends answer a service's clients themselves: their nodes are asked to do so in its name. */
export function isDsr({ flags }: Pick<ServiceRecord, 'flags'>): boolean {
  return (flags & SERVICE_FLAG.DSR) !== 0;
}

/** Adds a service that a frontend leads to, or is about to. */
export function register(state: ServicesState, active: ActiveService): void {
  state.byText.set(active.text, active);
  if (active.record.id !== 0) state.byId.set(active.record.id, active);
  joinPool(state, active);
}

/** Takes a service out that no frontend leads to any more. */
export function unregister(state: ServicesState, active: ActiveService): void {
  if (state.byText.get(active.text) === active) state.byText.delete(active.text);
  if (state.byId.get(active.record.id) === active) state.byId.delete(active.record.id);
  leavePool(state, active);
}

/** Has a service follow its record's pool. */
export function joinPool(state: ServicesState, active: ActiveService): void {
  const { pool } = active.record;
  if (active.wildcard || pool === 0) return;
  const members = state.pools.get(pool);
  if (members === undefined) state.pools.set(pool, new Set([active]));
  else members.add(active);
}

/** Has a service follow its record's pool no longer. */
export function leavePool(state: ServicesState, active: ActiveService): void {
  const members = state.pools.get(active.record.pool);
  members?.delete(active);
  if (members?.size === 0) state.pools.delete(active.record.pool);
}

/**
 * Reads the kernel's maps, and clears away what a run that broke off left half done. To be called after a grace
 * period: nobody is under what the previous run unlinked.
 */
export function restoreServices({ store, logger }: { readonly store: ServiceStore; readonly logger: Logger }): ServicesState {
  const grace = createGraceTracker(() => store.gracePeriod());
  const rest = createRestQueue(grace);
  const state: ServicesState = {
    store, grace, rest,
    frontends: new FrontendTable(store, grace),
    services: new ServiceTable(store.services),
    ranges: new SourceRanges(store.sourceRanges, grace),
    backends: new BackendTable(store.backends, rest),
    members: new PoolMembers(store.poolMembers, logger),
    runs: createRunStore(store.runs, rest),
    vips: new VipFilter(store.vips),
    byText: new Map(), byId: new Map(), pools: new Map(), restingIds: new Set(), failures: new Map(),
    compareAll: true, room: 0, triedAt: 0,
  };
  for (const found of [...readFrontends(store.frontends)]) {
    const active = adopt(state, found, logger);
    if (active === undefined) continue;
    register(state, active);
    state.vips.add(active.record.address);
  }
  state.members.restore([...state.byId.values()].filter(({ record }) => isDsr(record)).map(({ record }) => record.pool), state.backends.live.values());
  state.services.clearExcept(new Set(state.byId.keys()));
  for (const id of state.ranges.services) {
    const record = state.byId.get(id)?.record;
    if (record === undefined || wantedRanges(record).size === 0) state.ranges.prune(id);
  }
  return state;
}

function adopt(state: ServicesState, found: FrontendIdentity & { readonly service: number | undefined }, logger: Logger): ActiveService | undefined {
  const { service: id, ...identity } = found;
  const text = frontendText(identity);
  if (id === undefined) {
    return { record: { ...identity, id: 0, flags: 0, affinityTimeout: 0, pool: 0, sourceRanges: [] }, text, wildcard: true, run: undefined };
  }
  const known = readService(state.store.services, id);
  if (known === undefined || frontendText(known) !== text) {
    logger.error({ service: id, frontend: text }, 'a frontend found in the kernel leads to another’s service: it is taken out');
    state.frontends.delete(identity);
    return undefined;
  }
  const { target, generation: _generation, ...fields } = known;
  return { record: { ...fields, sourceRanges: state.ranges.of(id) }, text, wildcard: false, run: target === 0n ? undefined : adoptRun(state, { id, target }, logger) };
}

/** The run that a service leads to; a service with a damaged one has no backends until it is written anew. */
function adoptRun(state: ServicesState, { id, target }: { readonly id: number; readonly target: bigint }, logger: Logger): StoredRun | undefined {
  const run = state.runs.adopt(target);
  if (run !== undefined && state.runs.read(run).every((index) => state.backends.live.has(index))) return run;
  logger.error({ service: id }, 'a run of backends found in the kernel is damaged: the service has none until it is written anew');
  state.services.setTarget(id, 0n);
  if (run !== undefined) state.runs.release(run);
  return undefined;
}
