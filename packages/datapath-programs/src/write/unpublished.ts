import type { Cidr } from '@cilium-ts/core';
import type { ApplyFailureReason, CompiledPolicyShape } from '../state/desired.ts';
import { isExact, type AddressFailure } from './address-book.ts';
import { coverAfter, identityAfter, type AddressChange, type AddressPlan } from './address-plan.ts';
import { rowKey } from './row-content.ts';
import type { Run } from './run.ts';
import { desiredRow, DIRECTIONS, effectiveRow, type PolicyVersion } from './version.ts';

/**
 * An address or prefix that found no room, or that goes while what should cover it from now on found none: its packets
 * are judged as those of a wider prefix, or as the world's.
 */
export interface Unpublished {
  readonly cidr: Cidr;
  readonly identity: number;
  /** The identity that its packets had. */
  readonly before: number;
  /** The identity that they have in the end. */
  readonly taken: number;
  readonly reason: ApplyFailureReason;
  readonly message: string;
}

/** Tells that changes of addresses do not take place. */
export function refuse(run: Run, refused: readonly (readonly [AddressChange, AddressFailure])[]): void {
  for (const [{ cidr }] of refused) run.missing.add(cidr.text);
  for (const [{ cidr, what, before }, { failed, message }] of refused) {
    run.failures.push({ address: cidr.text, reason: failed, effect: 'not-published', message });
    run.unpublished.push({ cidr, identity: what.identity, before, taken: identityAfter(run, cidr), reason: failed, message });
  }
}

/** Why nothing can take on an identity. */
export function unknownIdentity(identity: number): string {
  return `identity ${identity} cannot be used yet: not every policy in force could be told about it, for want of room in cilium_policy or cilium_rows`;
}

/**
 * Takes out of a plan what finds no room, before anything of it is written: policies that tell such an address apart
 * are to be dealt with in the same step in which the others change.
 */
export function refuseUnfit(run: Run, { changes, removals }: AddressPlan): AddressPlan {
  if (changes.length === 0) return { changes, removals };
  const { book } = run.state;
  const room = book.room();
  const fitting: AddressChange[] = [];
  const refused: [AddressChange, AddressFailure][] = [];
  for (const change of changes) {
    const { cidr, what } = change;
    const kind = book.entries.get(cidr.text)?.target.kind;
    const map = isExact(cidr) ? 'addresses' : 'prefixes';
    const needs = { entry: kind === undefined ? 1 : 0, remote: kind === 'remote' ? 0 : 1 };
    if (run.unpublishable.has(what.identity)) refused.push([change, { failed: 'policy-map-full', message: unknownIdentity(what.identity) }]);
    else if (room[map] < needs.entry) refused.push([change, book.full(cidr)]);
    else if (room.remotes < needs.remote) refused.push([change, book.remotesFull(cidr)]);
    else {
      room[map] -= needs.entry;
      room.remotes -= needs.remote;
      fitting.push(change);
    }
  }
  if (refused.length === 0) return { changes, removals };
  refuse(run, refused);
  const told = new Map(run.unpublished.map((each) => [each.cidr.text, each]));
  for (const { cidr, before } of removals) {
    const cover = told.get(coverAfter(run, cidr)?.cidr.text ?? '');
    if (cover !== undefined) run.unpublished.push({ ...cover, cidr, before, taken: identityAfter(run, cidr) });
  }
  return { changes: fitting, removals: removals.map(({ cidr, before }) => ({ cidr, before, after: identityAfter(run, cidr) })) };
}

/**
 * The first unpublished address that a policy does not treat as what its packets are taken for. Such a policy must not
 * come into force: what it denies to the address would be open, or what it allows closed.
 */
export function misjudgedUnder(run: Run, policy: CompiledPolicyShape | 'locked-down'): Unpublished | undefined {
  if (policy === 'locked-down') return undefined;
  return run.unpublished.find(({ identity, taken }) => taken !== identity && DIRECTIONS.some((direction) => rowKey(desiredRow(policy, direction, identity)) !== rowKey(desiredRow(policy, direction, taken))));
}

/** Whether a policy in force treats all unpublished addresses as ever, though what their packets are taken for may change. */
export function judgesAsEver(run: Run, version: PolicyVersion): boolean {
  return run.unpublished.every(({ before, taken }) => DIRECTIONS.every((direction) => effectiveRow(version, direction, before) === effectiveRow(version, direction, taken)));
}
