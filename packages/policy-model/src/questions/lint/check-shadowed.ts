import type { Rule } from '../../model/rule.ts';
import { NAMESPACE_KEY } from '../../model/special-labels.ts';
import type { LintContext } from './context.ts';
import { disarms, opensDnsRules } from './dns-ports.ts';
import { describeRule } from './finding.ts';
import type { PreparedRule, RulePart } from './prepared.ts';
import { meansSomebody, peersCover, portsCover, restricts, subjectCovers } from './prepared.ts';
import { anchorsOf, contradiction, mayOverlap, samplesOf } from './selector-logic.ts';

/** Rules that others make pointless: shadowed, redundant, or letting pass what layer-7 rules would refuse. */
export function checkShadowed(context: LintContext): void {
  const live = context.rules.filter((prepared) => meansSomebody(prepared) && contradiction(prepared.subject) === undefined);
  const covers = memoizedSubjects();
  const possible = indexBySubject(live);
  for (const inner of live) {
    const candidates = possible(inner).filter((outer) => outer !== inner && mayMatter(outer.rule, inner.rule) && covers(outer, inner));
    const around = candidates.filter((outer) => peersCover(outer, inner));
    const shadow = around.find((outer) => comesFirst(outer.rule, inner.rule) && everyPart(inner, outer));
    if (shadow !== undefined) reportShadowed(context, inner.rule, shadow.rule);
    else if (!reportClosedBaseline(context, inner)) checkSame(context, inner, around);
  }
}

const everyPart = (inner: PreparedRule, outer: PreparedRule): boolean => inner.parts.every(({ ports }) => outer.parts.some((part) => portsCover(part.ports, ports)));

/** Rules of the same direction whose subject may include that of a rule: those that list one of its labels, or none. */
function indexBySubject(rules: readonly PreparedRule[]): (inner: PreparedRule) => PreparedRule[] {
  const byLabel = new Map<string, PreparedRule[]>();
  const everywhere = '';
  for (const prepared of rules) {
    const { direction } = prepared.rule;
    for (const label of anchorsOf(prepared.subject, (key) => key === NAMESPACE_KEY) ?? [everywhere]) {
      const key = `${direction} ${label}`;
      const list = byLabel.get(key);
      if (list === undefined) byLabel.set(key, [prepared]);
      else list.push(prepared);
    }
  }
  return ({ rule, subject }) => {
    const found = [everywhere, ...samplesOf(subject)].flatMap((label) => byLabel.get(`${rule.direction} ${label}`) ?? []);
    return found.sort((a, b) => a.index - b.index);
  };
}

/** Selectors are compared once for each two texts: many rules share them. */
function memoizedSubjects(): (outer: PreparedRule, inner: PreparedRule) => boolean {
  const known = new Map<string, Map<string, boolean>>();
  return (outer, inner) => {
    let row = known.get(outer.rule.subject.text);
    if (row === undefined) known.set(outer.rule.subject.text, (row = new Map()));
    let result = row.get(inner.rule.subject.text);
    if (result === undefined) row.set(inner.rule.subject.text, (result = subjectCovers(outer, inner)));
    return result;
  };
}

function mayMatter(outer: Rule, inner: Rule): boolean {
  return comesFirst(outer, inner) || (outer.tier === 'normal' && inner.tier === 'normal' && outer.action === inner.action);
}

const LEVEL = { admin: 0, normal: 1, baseline: 3 } as const;

/** Whether the first, where it matches, decides before the second is asked. */
function comesFirst(first: Rule, second: Rule): boolean {
  const levels = [first, second].map(({ tier, action }) => LEVEL[tier] + (tier === 'normal' && action === 'allow' ? 1 : 0));
  if (levels[0] !== levels[1]) return levels[0]! < levels[1]! && first.action !== 'pass';
  if (first.tier === 'normal') return false;
  const byPriority = (first.order?.priority ?? 0) - (second.order?.priority ?? 0);
  if (byPriority !== 0) return byPriority < 0;
  if (first.resource !== second.resource) return first.resource < second.resource;
  return (first.order?.index ?? 0) < (second.order?.index ?? 0);
}

function reportShadowed(context: LintContext, rule: Rule, by: Rule): void {
  const verb = { allow: 'allows', deny: 'denies', pass: 'passes' }[by.action];
  const why = by.tier === 'normal' && rule.tier === 'normal' ? 'denials win, however specific a permission is' : 'it is asked first';
  context.report({
    code: 'shadowed',
    severity: by.action === rule.action ? 'info' : 'warning',
    rule,
    message: `the rule never decides: ${describeRule(by)} ${verb} all that it matches, and ${why}`,
    remedy: by.action === rule.action ? 'remove the rule' : 'remove the rule, or narrow the other one',
    related: [by],
  });
}

/** Baseline rules are asked only for endpoints that no policy of the tier normal puts into default deny. */
function reportClosedBaseline(context: LintContext, prepared: PreparedRule): boolean {
  const { rule } = prepared;
  if (rule.tier !== 'baseline') return false;
  const closer = context.rules.find((outer) => outer.rule.tier === 'normal' && outer.rule.defaultDeny && outer.rule.direction === rule.direction && subjectCovers(outer, prepared));
  if (closer === undefined) return false;
  const message = `the rule is never asked: ${describeRule(closer.rule)} puts all of its endpoints into default deny`;
  context.report({ code: 'shadowed', severity: 'info', rule, message, remedy: 'remove the rule, or leave some endpoints open to it', related: [closer.rule] });
  return true;
}

/** Rules of the same tier and action that match all of the rule: it is redundant, or its layer-7 rules are pointless. */
function checkSame(context: LintContext, inner: PreparedRule, around: readonly PreparedRule[]): void {
  const { rule } = inner;
  const same = around.filter((outer) => outer.rule.tier === 'normal' && rule.tier === 'normal' && outer.rule.action === rule.action);
  for (const part of inner.parts) {
    if (!restricts(part.proxy)) continue;
    const wider = same.find((outer) => outer.parts.some((other) => disarms(other, part) && portsCover(other.ports, part.ports)));
    if (wider === undefined) continue;
    const what = part.proxy.l7 === undefined ? 'the server names refuse nothing' : `the ${part.proxy.l7.kind.toUpperCase()} rules refuse nothing`;
    context.report({
      code: 'l7-defeated',
      severity: 'warning',
      rule,
      at: part.proxy.at,
      message: `${what}: ${describeRule(wider.rule)} allows the same peers and ports whatever they ask for`,
      remedy: 'narrow the other rule, or remove these',
      related: [wider.rule],
    });
    return;
  }
  const equal = same.find((outer) => isRedundantBeside(inner, outer) && !opensDnsRules(inner, outer, context.rules));
  if (equal === undefined) return;
  const message = `${describeRule(equal.rule)} ${rule.action === 'allow' ? 'allows' : 'denies'} all that this rule does`;
  context.report({ code: 'redundant', severity: 'info', rule, message, remedy: 'remove the rule', related: [equal.rule] });
}

function isRedundantBeside(inner: PreparedRule, outer: PreparedRule): boolean {
  if (inner.rule.defaultDeny && !outer.rule.defaultDeny) return false;
  if (inner.rule.log !== outer.rule.log || inner.rule.authentication !== outer.rule.authentication) return false;
  if (!inner.parts.every((part) => outer.parts.some((other) => sameProxy(part, other) && portsCover(other.ports, part.ports)))) return false;
  // Of two that say the same, the later one is superfluous.
  return outer.index < inner.index || !(isCovered(outer, inner) && inner.rule.defaultDeny === outer.rule.defaultDeny);
}

function isCovered(inner: PreparedRule, outer: PreparedRule): boolean {
  return subjectCovers(outer, inner) && peersCover(outer, inner) && inner.parts.every((part) => outer.parts.some((other) => sameProxy(part, other) && portsCover(other.ports, part.ports)));
}

const sameProxy = (a: RulePart, b: RulePart): boolean => contentOf(a) === contentOf(b);

function contentOf({ proxy }: RulePart): string {
  return proxy === undefined ? '' : JSON.stringify({ ...proxy, at: undefined });
}

/** Whether the two rules may be about the same endpoint. */
export function sharesEndpoints(a: PreparedRule, b: PreparedRule): boolean {
  return a.rule.subject.text === b.rule.subject.text || mayOverlap(a.subject, b.subject);
}
