import type { Cidr } from '@cilium-ts/core';
import { cidrContains, parseCidr } from '@cilium-ts/core';
import type { PolicyField } from '../model/issue.ts';
import type { CidrPeer } from '../model/rule.ts';
import { quote, refuse } from './report.ts';

/** Where a prefix may be written as a bare address (`fromCIDR`), and where not (`cidr`, `except`, `ipBlock`). */
export type CidrForm = 'address-or-prefix' | 'prefix';

/** Reads one prefix, reporting what is wrong with it. Host bits that are set are masked. */
export function translateCidr(text: string, form: CidrForm, field: PolicyField): Cidr | undefined {
  const prefix = parseCidr(text);
  if (prefix === undefined || (form === 'prefix' && !text.includes('/'))) {
    return refuse(field, `${quote(text)} is not ${form === 'prefix' ? 'a prefix' : 'an address or prefix'}`, prefix === undefined ? remedyFor(text) : `write ${prefix.text}`);
  }
  return prefix;
}

/** No packet that counts carries an IPv4 address in IPv6 notation, and so the notation is not accepted. */
function remedyFor(text: string): string {
  return /^::ffff:\d+\./i.test(text) ? 'write it as an IPv4 prefix' : 'write address/length, such as 10.0.0.0/8 or 2001:db8::/32';
}

/** Reads a list of prefixes, leaving out what is wrong. */
export function translateCidrs(texts: readonly string[] | undefined, field: PolicyField): Cidr[] {
  return (texts ?? []).map((text, index) => translateCidr(text, 'prefix', field.child(index))).filter((prefix) => prefix !== undefined);
}

/** A prefix with exceptions; each must lie inside the prefix. */
export function translateCidrPeer(
  spec: { readonly cidr: string; readonly except?: readonly string[] | undefined },
  field: PolicyField,
): CidrPeer | undefined {
  const prefix = translateCidr(spec.cidr, 'prefix', field.child('cidr'));
  if (prefix === undefined) return undefined;
  const except = (spec.except ?? []).flatMap((text, index) => {
    const at = field.child('except', index);
    const inner = translateCidr(text, 'prefix', at);
    if (inner === undefined) return [];
    if (!cidrContains(prefix, inner)) refuse(at, `${text} does not lie inside ${prefix.text}`, 'except only prefixes within the one that is selected');
    return [inner];
  });
  return { kind: 'cidr', prefix, except, at: field.at };
}
