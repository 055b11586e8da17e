import type { Cidr } from '@cilium-ts/core';
import { parseCidr } from '@cilium-ts/core';

/**
 * The key of a prefix's `cidr:` label. Selector keys allow no colon and no dash at either end, so that the colons of
 * IPv6 become dashes, with a zero where one would come first or last: `::1/128` is `0--1/128`, `fd00::/8` is `fd00--0/8`.
 */
export function cidrLabelKey(prefix: Cidr): string {
  if (prefix.family === 4) return prefix.text;
  const dashed = prefix.address.text.replaceAll(':', '-');
  const head = dashed.startsWith('-') ? '0' : '';
  const tail = dashed.endsWith('-') ? '0' : '';
  return `${head}${dashed}${tail}/${prefix.prefixLength}`;
}

/** The prefix of such a key; colons are understood too, a length is required. `undefined` for anything else. */
export function parseCidrLabelKey(key: string): Cidr | undefined {
  return key.includes('/') ? parseCidr(key.replaceAll('-', ':')) : undefined;
}
