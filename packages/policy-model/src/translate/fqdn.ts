import { canonicalFqdn, lowerAscii } from '../fqdn/fqdn-name.ts';
import type { PolicyField } from '../model/issue.ts';
import type { FqdnSelector } from '../model/rule.ts';
import type { FqdnSpec } from '../schema/cilium-ports.ts';
import { quote, refuse } from './report.ts';

/** The names that an entry of `toFQDNs` or of DNS rules means, in lower case and with a final dot. */
export function translateFqdn({ matchName, matchPattern = '' }: FqdnSpec, field: PolicyField): FqdnSelector | undefined {
  if (matchName === undefined) return { pattern: lowerAscii(matchPattern.endsWith('.') ? matchPattern : `${matchPattern}.`) };
  const name = canonicalFqdn(matchName);
  return name === undefined ? refuse(field.child('matchName'), `${quote(matchName)} is not a DNS name`, 'use at most 63 characters between dots and 255 in all') : { name };
}
