import type { Cidr } from '@cilium-ts/core';
import { cidrContains, parseCidr } from '@cilium-ts/core';
import type { FieldPath } from '../model/location.ts';
import type { CidrPeer } from '../model/rule.ts';
import type { Reporter } from '../parse/reporter.ts';

/** The IPv6 form of IPv4 addresses. The datapath drops packets that carry it, and keys IPv4 by it. */
const MAPPED = parseCidr('::ffff:0:0/96')!;

/** Where a prefix may be written as a bare address (`fromCIDR`), and where not (`cidr`, `except`, `ipBlock`). */
export type CidrForm = 'address-or-prefix' | 'prefix';

/** Reads one prefix, reporting what is wrong with it. Host bits that are set are masked. */
export function translateCidr(text: string, form: CidrForm, path: FieldPath, reporter: Reporter): Cidr | undefined {
  const prefix = parseCidr(text);
  if (prefix === undefined || (form === 'prefix' && !text.includes('/'))) {
    const message = `${JSON.stringify(text)} is not ${form === 'prefix' ? 'a prefix' : 'an address or prefix'}`;
    const remedy = prefix === undefined ? 'write address/length, such as 10.0.0.0/8 or 2001:db8::/32' : `write ${prefix.text}`;
    reporter.report(path, { code: 'invalid-value', message, remedy });
    return undefined;
  }
  if (cidrContains(MAPPED, prefix)) {
    const message = `${text} is an IPv4 prefix in IPv6 notation, which no packet carries`;
    reporter.report(path, { code: 'invalid-value', message, remedy: 'write it as an IPv4 prefix' });
    return undefined;
  }
  return prefix;
}

/** A prefix with exceptions; each must lie inside the prefix. */
export function translateCidrPeer(
  spec: { readonly cidr: string; readonly except?: readonly string[] | undefined },
  path: FieldPath,
  reporter: Reporter,
): CidrPeer | undefined {
  const prefix = translateCidr(spec.cidr, 'prefix', [...path, 'cidr'], reporter);
  const except: Cidr[] = [];
  (spec.except ?? []).forEach((text, index) => {
    const at = [...path, 'except', index];
    const inner = translateCidr(text, 'prefix', at, reporter);
    if (inner === undefined || prefix === undefined) return;
    if (cidrContains(prefix, inner)) except.push(inner);
    else {
      const message = `${text} does not lie inside ${prefix.text}`;
      reporter.report(at, { code: 'invalid-value', message, remedy: 'except only prefixes within the one that is selected' });
    }
  });
  return prefix === undefined ? undefined : { kind: 'cidr', prefix, except, at: reporter.at(path) };
}
