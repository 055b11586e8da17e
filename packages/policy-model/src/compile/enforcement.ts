import type { LabelSet } from '@cilium-ts/identity';
import type { PolicyOptions } from '../model/options.ts';

/** What applies to an endpoint in one direction besides its rules. */
export type Enforcement =
  /** Everything is allowed, and rules are not looked at. */
  | { readonly kind: 'off'; readonly why: 'host' | 'never' | 'no-rules' }
  /** Rules are evaluated; what no rule allows is denied. */
  | { readonly kind: 'default-deny' }
  /** Rules are evaluated; what no rule denies is allowed, since no rule asks for default deny. */
  | { readonly kind: 'default-allow' };

/** Decides it from the rules that select the endpoint in that direction. */
export function decideEnforcement(
  subject: LabelSet,
  rules: readonly { readonly defaultDeny: boolean }[],
  { enforcement, hostFirewall }: Pick<PolicyOptions, 'enforcement' | 'hostFirewall'>,
): Enforcement {
  if (subject.has('reserved', 'host') && hostFirewall !== true) return { kind: 'off', why: 'host' };
  if (enforcement === 'never') return { kind: 'off', why: 'never' };
  // An endpoint whose labels are not known yet must not be open meanwhile.
  if (enforcement === 'always' || subject.has('reserved', 'init')) return { kind: 'default-deny' };
  if (rules.length === 0) return { kind: 'off', why: 'no-rules' };
  return rules.some(({ defaultDeny }) => defaultDeny) ? { kind: 'default-deny' } : { kind: 'default-allow' };
}
