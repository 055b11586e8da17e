import { encodeBytes } from '@cilium-ts/bpf-maps';
import { equalBytes, ipToKey16, type Cidr } from '@cilium-ts/core';
import { CELL_FLAG, ENDPOINT_FLAG, endpointInfo, type EndpointInfo } from '@cilium-ts/datapath-layout';
import type { ApplyFailure, DesiredEndpoint, Slot } from '../state/desired.ts';
import type { NormalState } from '../state/normalise.ts';
import type { AddressEntry } from './address-book.ts';
import type { GraceMark } from './grace.ts';
import type { ActiveSlot, WriterState } from './state.ts';
import type { PolicyFailure } from './version-store.ts';
import type { Unpublished } from './unpublished.ts';
import { isAnyOnly, type Carriers, type PolicyVersion } from './version.ts';

/** One pass of apply(): what should be, and what has come of it so far. */
export interface Run {
  readonly state: WriterState;
  readonly next: NormalState;
  readonly carriers: Carriers;
  readonly failures: ApplyFailure[];
  /** New identities that not every policy in force could be told about: nothing may begin to carry them. */
  readonly unpublishable: Set<number>;
  /** Versions in force that had no room for what their policy adds: the policy before is what they hold. */
  readonly ungrown: Set<PolicyVersion>;
  /** Addresses that found no room in this pass. */
  readonly unpublished: Unpublished[];
  /** The same by CIDR text. */
  readonly missing: Set<string>;
  changed: boolean;
  switched: boolean;
  /** Versions written in this pass, by identity and policy, failures included. */
  readonly made: Map<string, PolicyVersion | PolicyFailure>;
  /** When an address last came into the hash. */
  publishedAt: GraceMark;
}

/** The slots that stay in service, that come, and that go. */
export interface SlotPlan {
  readonly keep: readonly { readonly active: ActiveSlot; readonly desired: DesiredEndpoint }[];
  readonly add: readonly { readonly slot: Slot; readonly desired: DesiredEndpoint }[];
  readonly remove: readonly ActiveSlot[];
}

/** Identities below this are reserved: taken to be carried by packets at any time. */
const FIRST_ALLOCATED = 256;

/** Begins a pass. */
export function createRun(state: WriterState, next: NormalState): Run {
  const now = new Set([...state.slots.values()].map(({ identity }) => identity));
  for (const { target } of state.book.entries.values()) if (target.kind === 'remote') now.add(target.identity);
  const later = new Set([...next.endpoints.values(), ...next.remotes.values()].map(({ identity }) => identity));
  const carriers: Carriers = {
    now: (identity) => identity < FIRST_ALLOCATED || now.has(identity),
    next: (identity) => identity < FIRST_ALLOCATED || later.has(identity),
  };
  return { state, next, carriers, failures: [], unpublishable: new Set(), ungrown: new Set(), unpublished: [], missing: new Set(), changed: false, switched: false, made: new Map(), publishedAt: 0 };
}

/** Sorts slots. A slot whose record changes goes and comes again: records are rewritten only out of service. */
export function planSlots({ state, next }: Run): SlotPlan {
  const keep: { active: ActiveSlot; desired: DesiredEndpoint }[] = [];
  const add: { slot: Slot; desired: DesiredEndpoint }[] = [];
  const remove: ActiveSlot[] = [];
  for (const [slot, desired] of next.endpoints) {
    const active = state.slots.get(slot);
    if (active !== undefined && sameInfo(active.info, infoOf(desired))) keep.push({ active, desired });
    else add.push({ slot, desired });
  }
  const kept = new Set(keep.map(({ active }) => active.slot));
  for (const active of state.slots.values()) if (!kept.has(active.slot)) remove.push(active);
  return { keep, add, remove };
}

function sameInfo(a: EndpointInfo, b: EndpointInfo): boolean {
  return equalBytes(encodeBytes(endpointInfo, a), encodeBytes(endpointInfo, b));
}

/** An endpoint as the programs read it. */
export function infoOf(endpoint: DesiredEndpoint): EndpointInfo {
  const { ipv4, ipv6 } = endpoint;
  return {
    address4: ipv4 === undefined ? new Uint8Array(16) : ipToKey16(ipv4),
    address6: ipv6 === undefined ? new Uint8Array(16) : ipToKey16(ipv6),
    ifindex: endpoint.ifindex,
    netnsId: endpoint.netnsId,
    endpointId: endpoint.id,
    mtu: endpoint.mtu,
    mac: endpoint.mac.bytes,
    hostMac: endpoint.hostMac.bytes,
    flags: (ipv4 === undefined ? 0 : ENDPOINT_FLAG.IPV4) | (ipv6 === undefined ? 0 : ENDPOINT_FLAG.IPV6),
    reserved: new Uint8Array(6),
  };
}

/** The flags of a cell for an endpoint under its desired policy, or locked down. */
export function flagsOf(desired: DesiredEndpoint, lockedDown: boolean): number {
  const audit = desired.audit === true ? CELL_FLAG.AUDIT : 0;
  if (lockedDown || desired.policy === 'locked-down') return CELL_FLAG.LOCKED_DOWN | audit;
  const ingress = isAnyOnly(desired.policy.ingress) ? CELL_FLAG.INGRESS_ANY_ONLY : 0;
  const egress = isAnyOnly(desired.policy.egress) ? CELL_FLAG.EGRESS_ANY_ONLY : 0;
  return audit | ingress | egress;
}

/** The identity that an entry of the address book gives to packets. */
export function identityOfEntry(state: WriterState, entry: AddressEntry | undefined, cidr: Cidr): number {
  if (entry === undefined) return cidr.family === 4 ? state.world.ipv4 : state.world.ipv6;
  if (entry.target.kind === 'remote') return entry.target.identity;
  return state.slots.get(entry.target.slot)?.identity ?? 0;
}
