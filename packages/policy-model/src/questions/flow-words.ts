import { canonicalFqdn } from '../fqdn/fqdn-name.ts';
import type { Direction } from '../model/rule.ts';
import type { FlowRecord } from './flow-record.ts';

/** Names that are none are passed over: records hold whatever was answered. */
export function readNames(values: readonly unknown[]): string[] {
  const names = values.map((value) => (typeof value === 'string' && value !== '' ? canonicalFqdn(value) : undefined));
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** Hubble's and Cilium's words as well as ours; other words say nothing. */
export function directionOf(text: string | undefined): { direction?: Direction } {
  const lower = text?.toLowerCase();
  return lower === 'ingress' || lower === 'egress' ? { direction: lower } : {};
}

const VERDICTS: Readonly<Record<string, NonNullable<FlowRecord['verdict']>>> = {
  allowed: 'allowed',
  allow: 'allowed',
  forwarded: 'allowed',
  redirected: 'allowed',
  traced: 'allowed',
  translated: 'allowed',
  denied: 'denied',
  deny: 'denied',
  dropped: 'denied',
  error: 'denied',
  audited: 'audited',
  audit: 'audited',
};

export function verdictOf(text: string | undefined): { verdict?: NonNullable<FlowRecord['verdict']> } {
  const known = text === undefined ? undefined : VERDICTS[text.toLowerCase()];
  return known === undefined ? {} : { verdict: known };
}

