import type { OptionalShape } from '@cilium-ts/manifest';
import { anything, optional, refined } from '@cilium-ts/manifest';

/** A field that Cilium has and this version cannot enforce. Being there at all is an issue that gives the reason. */
export function unenforceable(reason: string, remedy = 'remove the field, or keep this policy out of the folder'): OptionalShape<unknown> {
  return optional(refined(anything, (_value, name) => refusal(name, reason, remedy)));
}

/** The finding for a field that cannot be enforced. */
export function refusal(name: string, reason: string, remedy: string) {
  return { code: 'unenforceable', message: `${name} cannot be enforced: ${reason}`, remedy, point: 'key' } as const;
}
