import type { SourceLocation } from '../model/location.ts';
import type { Rule } from '../model/rule.ts';
import type { Hit } from './evaluate-rule.ts';
import { hitLocation } from './evaluate-rule.ts';
import type { RuleReference } from './explanation.ts';

/** Rules are immutable, and asked for over and over. */
const references = new WeakMap<Rule, Map<SourceLocation, RuleReference>>();

/** Points at a rule, at the place within it that matters. */
export function ruleReference(rule: Rule, at: SourceLocation): RuleReference {
  let known = references.get(rule);
  if (known === undefined) references.set(rule, (known = new Map()));
  let reference = known.get(at);
  if (reference === undefined) known.set(at, (reference = createReference(rule, at)));
  return reference;
}

function createReference(rule: Rule, { file, line, column, field }: SourceLocation): RuleReference {
  const index = /\[(\d+)\]$/.exec(rule.at.field)?.[1];
  return {
    ...(file === undefined ? {} : { file }),
    line,
    column,
    field,
    resource: rule.resource,
    action: rule.action,
    entry: rule.at.field,
    ...(index === undefined ? {} : { index: Number(index) }),
    tier: rule.tier,
    ...(rule.order === undefined ? {} : { priority: rule.order.priority }),
    ...(rule.labels === undefined || rule.labels.length === 0 ? {} : { labels: rule.labels }),
    ...(rule.log === undefined ? {} : { log: rule.log }),
    ...(rule.description === undefined ? {} : { description: rule.description }),
  };
}

/** Points at the port, else the peer, else the entry that matched. */
export function hitReference(hit: Hit): RuleReference {
  return ruleReference(hit.rule, hitLocation(hit));
}
