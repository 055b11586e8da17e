import type { Direction } from '../../model/rule.ts';
import type { LintContext } from './context.ts';
import { says, wordsOf } from './context.ts';
import { sharesEndpoints } from './check-shadowed.ts';
import { describeRule } from './finding.ts';
import type { PreparedRule } from './prepared.ts';
import { meansSomebody, restricts, subjectCovers } from './prepared.ts';

/** Directions that are closed, or left open, by accident. */
export function checkDefaultDeny(context: LintContext): void {
  if (context.options.enforcement === 'never') return;
  const byResource = new Map<string, PreparedRule[]>();
  for (const prepared of context.rules) {
    if (prepared.rule.tier !== 'normal') continue;
    const { resource } = prepared.rule;
    byResource.set(resource, [...(byResource.get(resource) ?? []), prepared]);
  }
  for (const rules of byResource.values()) {
    for (const direction of ['ingress', 'egress'] as const) {
      const [own, others] = [rules.filter(({ rule }) => rule.direction === direction), rules.filter(({ rule }) => rule.direction !== direction)];
      checkDenyOnly(context, own);
      checkClosedWithoutAllow(context, own, others);
      checkMixed(context, own);
    }
    checkOneDirection(context, rules);
  }
  for (const prepared of context.rules) if (prepared.rule.tier === 'normal') checkOpenAnyway(context, prepared);
}

/** Whether some policy allows something to endpoints that these rules are about. */
function somethingAllows(context: LintContext, rule: PreparedRule): boolean {
  return context.rules.some((other) => other.rule.direction === rule.rule.direction && other.rule.action === 'allow' && meansSomebody(other) && sharesEndpoints(other, rule));
}

function checkDenyOnly(context: LintContext, rules: readonly PreparedRule[]): void {
  if (rules.length === 0 || !rules.every(({ rule }) => rule.action === 'deny' && rule.defaultDeny)) return;
  const [first] = rules;
  if (somethingAllows(context, first!)) return;
  const { rule } = first!;
  const message = `the policy only denies, and no policy allows ${rule.direction} of these endpoints: everything is denied, not just what it lists`;
  context.report({ code: 'closes-everything-else', severity: 'warning', rule, message, remedy: `set enableDefaultDeny.${rule.direction} to false, or allow what shall pass` });
}

function checkClosedWithoutAllow(context: LintContext, own: readonly PreparedRule[], others: readonly PreparedRule[]): void {
  const closer = own.find(({ rule }) => rule.peers.kind === 'none' && rule.defaultDeny && /(?:^|\.)policyTypes$/.test(rule.at.field));
  if (closer === undefined || !others.some((other) => other.rule.action === 'allow' && meansSomebody(other)) || somethingAllows(context, closer)) return;
  const { rule } = closer;
  const type = rule.direction === 'ingress' ? 'Ingress' : 'Egress';
  const dns = rule.direction === 'egress' ? ', not even to ask for DNS names' : '';
  const message = `policyTypes lists ${type} while the policy has ${others[0]!.rule.direction} rules only, and no policy allows ${rule.direction} of these endpoints${dns}`;
  context.report({ code: 'closed-without-allow', severity: 'warning', rule, message, remedy: `remove ${type} from policyTypes, or write ${rule.direction}: [] if it is meant` });
}

function checkMixed(context: LintContext, rules: readonly PreparedRule[]): void {
  const off = rules.find(({ rule, parts }) => !rule.defaultDeny && !parts.some(({ proxy }) => proxy !== undefined));
  const on = off === undefined ? undefined : rules.find((other) => other.rule.defaultDeny && sharesEndpoints(other, off));
  if (off === undefined || on === undefined) return;
  const { rule } = off;
  const message = `default deny is switched off here and on by ${describeRule(on.rule)}: endpoints that both select are closed`;
  context.report({ code: 'default-deny-mixed', severity: 'warning', rule, message, remedy: 'set enableDefaultDeny alike, or write two policies', related: [on.rule] });
}

/** Rules that are not needed, or do not work, because nothing closes their endpoints. */
function checkOpenAnyway(context: LintContext, prepared: PreparedRule): void {
  const { rule } = prepared;
  if (rule.action !== 'allow' || rule.defaultDeny || context.options.enforcement === 'always' || !meansSomebody(prepared)) return;
  const beside = context.rules.filter((other) => other.rule.direction === rule.direction && sharesEndpoints(other, prepared));
  if (beside.some((other) => other.rule.tier === 'normal' && other.rule.defaultDeny)) return;
  const limited = prepared.parts.find(({ proxy }) => restricts(proxy) && proxy.l7?.kind !== 'dns');
  if (limited?.proxy !== undefined) {
    const message = `no policy puts these endpoints into default deny for ${rule.direction}: the proxy sees what passes, and refuses nothing`;
    context.report({ code: 'l7-only-observes', severity: 'warning', rule, at: limited.proxy.at, message, remedy: `set enableDefaultDeny.${rule.direction} to true, or allow every request if observing is meant` });
  } else if (prepared.parts.every(({ proxy }) => proxy === undefined) && beside.every((other) => other.rule.action === 'allow' && other.rule.tier === 'normal')) {
    const message = `the rule allows what nothing denies: no policy puts these endpoints into default deny for ${rule.direction}`;
    context.report({ code: 'allows-what-nothing-denies', severity: 'info', rule, message, remedy: `remove the rule, or set enableDefaultDeny.${rule.direction} to true` });
  }
}

/** A policy that is called "deny all" and closes one direction. */
function checkOneDirection(context: LintContext, rules: readonly PreparedRule[]): void {
  const directions = new Set<Direction>(rules.filter(({ rule }) => rule.defaultDeny).map(({ rule }) => rule.direction));
  const [first] = rules;
  if (directions.size !== 1 || !rules.every(({ rule }) => rule.peers.kind === 'none' && rule.action === 'allow')) return;
  // Whoever writes the empty list of a NetworkPolicy knows which direction it is for.
  if (/^spec\.(?:ingress|egress)$/.test(first!.rule.at.field)) return;
  const words = wordsOf(first!.rule);
  if (!says(words, 'deny') || !says(words, 'all', 'default', 'everything') || says(words, 'ingress', 'egress', 'incoming', 'outgoing', 'inbound', 'outbound')) return;
  const [closed, open] = directions.has('ingress') ? ['ingress', 'egress'] : ['egress', 'ingress'];
  const opposite = context.rules.some((other) => other.rule.direction === open && other.rule.defaultDeny && subjectCovers(other, first!));
  if (opposite) return;
  const message = `the policy closes ${closed} alone: ${open} of these endpoints stays open`;
  context.report({ code: 'one-direction-open', severity: 'info', rule: first!.rule, message, remedy: `close ${open} too, or say ${closed} in the name` });
}
