import type { LintContext } from './context.ts';
import { sharesEndpoints } from './check-shadowed.ts';
import { isWholeCluster, meansEverybody } from './prepared.ts';

/** Rules of the tier admin that leave everything to the tiers below. */
export function checkTiers(context: LintContext): void {
  for (const prepared of context.rules) {
    const { rule } = prepared;
    if (rule.action !== 'pass' || rule.ports.kind !== 'all' || !(meansEverybody(prepared) || prepared.peers.some(({ alternatives }) => alternatives.some(isWholeCluster)))) continue;
    const later = context.rules.filter(
      (other) => other !== prepared && other.rule.tier === 'admin' && other.rule.direction === rule.direction && sharesEndpoints(other, prepared) && isAfter(other.rule, rule),
    );
    const what = later.length === 0 ? 'and there is no later rule of the tier admin, so that it changes nothing' : `and ${later.length === 1 ? 'one later rule' : `${later.length} later rules`} of the tier admin ${later.length === 1 ? 'is' : 'are'} not asked for them`;
    context.report({
      code: 'tier-passes-everything',
      severity: later.length === 0 ? 'info' : 'warning',
      rule,
      message: `the rule passes all traffic of its endpoints on to the tiers below, ${what}`,
      remedy: later.length === 0 ? 'remove the rule' : 'limit the rule to peers or ports, or move it behind the others',
      related: later.map((other) => other.rule),
    });
  }
}

function isAfter(a: LintContext['rules'][number]['rule'], b: LintContext['rules'][number]['rule']): boolean {
  const byPriority = (a.order?.priority ?? 0) - (b.order?.priority ?? 0);
  if (byPriority !== 0) return byPriority > 0;
  return a.resource === b.resource ? (a.order?.index ?? 0) > (b.order?.index ?? 0) : a.resource > b.resource;
}
