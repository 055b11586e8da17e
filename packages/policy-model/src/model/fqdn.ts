import type { FqdnSelector } from './rule.ts';

/** Key of the `fqdn:` label that addresses carry whose name the selector chooses: the name or pattern as written in it. */
export function fqdnLabelKey(selector: FqdnSelector): string {
  return 'name' in selector ? selector.name : selector.pattern;
}
