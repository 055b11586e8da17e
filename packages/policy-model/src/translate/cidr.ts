import type { Cidr } from '@cilium-ts/core';
import { cidrContains, parseCidr } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';
import type { CidrPeer } from '../model/rule.ts';

/** Where a prefix may be written as a bare address (`fromCIDR`), and where not (`cidr`, `except`, `ipBlock`). */
export type CidrForm = 'address-or-prefix' | 'prefix';

/** Reads one prefix, reporting what is wrong with it. Host bits that are set are masked. */
export function translateCidr(text: string, form: CidrForm, field: Field): Cidr | undefined {
  const prefix = parseCidr(text);
  if (prefix === undefined || (form === 'prefix' && !text.includes('/'))) {
    const message = `${JSON.stringify(text)} is not ${form === 'prefix' ? 'a prefix' : 'an address or prefix'}`;
    field.report({ code: 'invalid-value', message, remedy: prefix === undefined ? remedyFor(text) : `write ${prefix.text}` });
    return undefined;
  }
  return prefix;
}

/** No packet that counts carries an IPv4 address in IPv6 notation, and so the notation is not accepted. */
function remedyFor(text: string): string {
  return /^::ffff:\d+\./i.test(text) ? 'write it as an IPv4 prefix' : 'write address/length, such as 10.0.0.0/8 or 2001:db8::/32';
}

/** A prefix with exceptions; each must lie inside the prefix. */
export function translateCidrPeer(
  spec: { readonly cidr: string; readonly except?: readonly string[] | undefined },
  field: Field): CidrPeer | undefined {
  const prefix = translateCidr(spec.cidr, 'prefix', field.child('cidr'));
  const except: Cidr[] = [];
  (spec.except ?? []).forEach((text, index) => {
    const at = field.child('except', index);
    const inner = translateCidr(text, 'prefix', at);
    if (inner === undefined || prefix === undefined) return;
    if (cidrContains(prefix, inner)) except.push(inner);
    else {
      const message = `${text} does not lie inside ${prefix.text}`;
      at.report({ code: 'invalid-value', message, remedy: 'except only prefixes within the one that is selected' });
    }
  });
  return prefix === undefined ? undefined : { kind: 'cidr', prefix, except, at: field.at };
}
