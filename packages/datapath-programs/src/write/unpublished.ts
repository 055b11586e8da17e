import type { Cidr } from '@cilium-ts/core';
import type { ApplyFailureReason, CompiledPolicyShape } from '../state/desired.ts';
import { rowKey } from './row-content.ts';
import { identityOfEntry, type Run } from './run.ts';
import { desiredRow, DIRECTIONS } from './version.ts';

/** An address or prefix that found no room: its packets are judged as those of the prefix that covers it, or as the world's. */
export interface Unpublished {
  readonly cidr: Cidr;
  readonly identity: number;
  readonly reason: ApplyFailureReason;
  readonly message: string;
}

/**
 * The first unpublished address that a policy does not treat as what its packets are taken for. Such a policy must not
 * come into force: what it denies to the address would be open, or what it allows closed.
 */
export function misjudgedUnder(run: Run, policy: CompiledPolicyShape): Unpublished | undefined {
  const { state } = run;
  return run.unpublished.find(({ cidr, identity }) => {
    const taken = identityOfEntry(state, state.book.entries.get(cidr.text) ?? state.book.covering(cidr), cidr);
    return taken !== identity && DIRECTIONS.some((direction) => rowKey(desiredRow(policy, direction, identity)) !== rowKey(desiredRow(policy, direction, taken)));
  });
}
