import { errorCode, hostCidr, type Cidr } from '@cilium-ts/core';
import { encodeBytes } from '@cilium-ts/bpf-maps';
import { endpointInfo } from '@cilium-ts/datapath-layout';
import type { ApplyFailure, ApplyFailureReason, DesiredEndpoint, Slot } from '../state/desired.ts';
import { deactivate, writeHalf } from './cells.ts';
import { u32Bytes } from './encode.ts';
import { obtainVersion } from './obtain.ts';
import { flagsOf, infoOf, type Run } from './run.ts';
import { halfOf, type ActiveSlot, type WriterState } from './state.ts';
import { misjudgedUnder, unknownIdentity } from './unpublished.ts';
import { isFull, isPolicyFailure } from './version-store.ts';
import type { PolicyVersion } from './version.ts';

/** Takes an endpoint out of service, at once. Its addresses lead nowhere until they are taken out or lead elsewhere. */
export async function retireSlot(run: Run, active: ActiveSlot): Promise<void> {
  const { state } = run;
  clearDevice(state, active);
  deactivate(state.store.cells, active.slot);
  state.slots.delete(active.slot);
  state.resting.set(active.slot, state.grace.mark());
  if (active.version !== undefined) state.versions.release(active.version);
  run.changed = true;
}

/** Puts a new endpoint in service: policy, record, cell, addresses, device, in this order. */
export async function activateSlot(run: Run, slot: Slot, desired: DesiredEndpoint): Promise<void> {
  const { state } = run;
  if (run.unpublishable.has(desired.identity)) {
    run.failures.push({ slot, reason: 'policy-map-full', effect: 'not-published', message: unknownIdentity(desired.identity) });
    return;
  }
  const version = await policyOf(run, slot, desired);
  await state.grace.wait(state.resting.get(slot) ?? 0);
  state.resting.delete(slot);
  const generation = ((state.generations.get(slot) ?? 0) + 1) >>> 0 || 1;
  state.generations.set(slot, generation);
  const active: ActiveSlot = {
    slot, info: infoOf(desired), generation, identity: desired.identity, revision: 1, version, flags: flagsOf(desired, version === undefined), deviceKnown: false,
  };
  run.changed = true;
  state.store.endpoints.update(u32Bytes(slot), encodeBytes(endpointInfo, active.info));
  if (version !== undefined) state.versions.use(version);
  state.slots.set(slot, active);
  for (const parity of [0, 1] as const) writeHalf(state.store.cells, slot, parity, halfOf(active));
}

async function policyOf(run: Run, slot: Slot, { identity, policy }: DesiredEndpoint): Promise<PolicyVersion | undefined> {
  if (policy === 'locked-down') return undefined;
  const misjudged = misjudgedUnder(run, policy);
  if (misjudged !== undefined) {
    run.failures.push({ slot, reason: misjudged.reason, effect: 'locked-down', message: misjudged.message });
    return undefined;
  }
  const version = await obtainVersion(run, { identity, policy });
  if (!isPolicyFailure(version)) return version;
  run.failures.push({ slot, reason: version.failed, effect: 'locked-down', message: version.message });
  return undefined;
}

/**
 * Makes addresses and device of a slot in service lead to it, where they do not. A slot that cannot be reached by all
 * its addresses is taken out of service again: half an endpoint would be judged as somebody else by its peers.
 */
export async function connectSlot(run: Run, active: ActiveSlot, desired: DesiredEndpoint): Promise<void> {
  const { state } = run;
  const published: Cidr[] = [];
  let failure: { failed: ApplyFailureReason; message: string } | undefined;
  for (const ip of [desired.ipv4, desired.ipv6]) {
    if (ip === undefined || failure !== undefined) continue;
    const cidr = hostCidr(ip);
    const target = state.book.entries.get(cidr.text)?.target;
    if (target?.kind === 'slot' && target.slot === active.slot) continue;
    await state.book.gate.opened();
    run.changed = true;
    failure = state.book.publishLocal(cidr, active.slot);
    run.publishedAt = state.grace.mark();
    if (failure === undefined) published.push(cidr);
  }
  state.book.flush();
  if (failure === undefined && !active.deviceKnown) failure = await setDevice(run, active);
  if (failure === undefined) return;
  run.failures.push({ slot: active.slot, reason: failure.failed, effect: 'not-published', message: failure.message });
  await retireSlot(run, active);
  for (const cidr of published) state.book.unpublish(cidr);
  state.book.flush();
}

/** Dense ifindexes lie in an array, others in a hash. */
function deviceMap({ store }: WriterState, ifindex: number): { map: WriterState['store']['devices']; sparse: boolean } {
  const sparse = ifindex >= store.devices.maxEntries;
  return { map: sparse ? store.devicesSparse : store.devices, sparse };
}

async function setDevice(run: Run, active: ActiveSlot): Promise<Pick<ApplyFailure, 'message'> & { failed: ApplyFailureReason } | undefined> {
  const { state } = run;
  const { ifindex } = active.info;
  const { map, sparse } = deviceMap(state, ifindex);
  const value = u32Bytes(active.slot + 1);
  const found = map.lookup(u32Bytes(ifindex));
  active.deviceKnown = true;
  if (found !== undefined && new DataView(found.buffer, found.byteOffset).getUint32(0, true) === active.slot + 1) return undefined;
  if (sparse) await state.deviceGate.opened();
  run.changed = true;
  try {
    map.update(u32Bytes(ifindex), value);
  } catch (error) {
    if (!isFull(error)) throw error;
    return { failed: 'devices-full', message: `cilium_devices_sparse has no room for device ${ifindex} (${errorCode(error)}); give endpoints' devices an ifindex below ${state.store.devices.maxEntries}` };
  }
  if (sparse && found !== undefined) state.deviceGate.close();
  return undefined;
}

function clearDevice(state: WriterState, active: ActiveSlot): void {
  const { ifindex } = active.info;
  const { map, sparse } = deviceMap(state, ifindex);
  const found = map.lookup(u32Bytes(ifindex));
  if (found === undefined || new DataView(found.buffer, found.byteOffset).getUint32(0, true) !== active.slot + 1) return;
  if (!sparse) {
    map.update(u32Bytes(ifindex), u32Bytes(0));
    return;
  }
  map.delete(u32Bytes(ifindex));
  state.deviceGate.close();
}
