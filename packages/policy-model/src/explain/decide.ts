import type { Tier } from '../model/rule.ts';
import type { MatchType, RowAction } from '../model/verdict.ts';
import { MATCH_TYPE } from '../model/verdict.ts';
import type { Hit, RuleOutcome } from './evaluate-rule.ts';
import { EVERYTHING, matchType, namesPort } from './evaluate-rule.ts';
import type { DecisionReason } from './explanation.ts';
import { compareParsers, parserOf } from './proxy.ts';

/** What the rules of one direction come to for a packet, before any request is looked at. */
export interface Decision {
  readonly action: RowAction;
  readonly match: MatchType;
  readonly reason: DecisionReason;
  readonly tier?: Tier;
  /** The hit that decided. */
  readonly hit?: Hit;
  /** The hits whose proxy rules count together; empty where no proxy takes part. */
  readonly redirects: readonly Hit[];
  /** What lets everything pass the proxy: a hit without proxy rules, or the lack of default deny. */
  readonly opened?: Hit | 'default-allow';
  /** The admin rule that left the packet to the tiers below. */
  readonly pass?: Hit;
}

/** How an endpoint stands besides its rules. */
export interface Stance {
  /** Whether what no normal rule allows is denied. */
  readonly defaultDeny: boolean;
  /** Whether the peer is the node, and may always reach the endpoint. */
  readonly allowHost: boolean;
}

/** Asks the tiers one after the other. */
export function decide(outcomes: Readonly<Record<Tier, readonly RuleOutcome[]>>, stance: Stance): Decision {
  const admin = firstDecision(outcomes.admin, 'admin');
  if (admin !== undefined && admin.pass === undefined) return admin;
  const passed = admin?.pass === undefined ? {} : { pass: admin.pass };
  const rest = decideNormal(outcomes.normal, stance) ?? firstDecision(outcomes.baseline, 'baseline');
  if (rest !== undefined) return { ...rest, ...passed };
  return { action: 'allow', match: MATCH_TYPE.all, reason: 'default-allow', redirects: [], ...passed };
}

/** Of an ordered tier the first rule that matches. */
function firstDecision(outcomes: readonly RuleOutcome[], tier: Tier): Decision | undefined {
  const first = outcomes.find(({ outcome }) => outcome === 'matched');
  if (first === undefined) return undefined;
  if (first.rule.action === 'pass') {
    const hit = narrowest(first.hits);
    return { action: 'allow', match: matchType(hit), reason: 'default-allow', redirects: [], pass: hit };
  }
  return first.rule.action === 'deny' ? denial(first.hits, tier) : permission(first.hits, tier, { allowHost: false, defaultDeny: true });
}

function decideNormal(outcomes: readonly RuleOutcome[], stance: Stance): Decision | undefined {
  const hits = outcomes.flatMap((outcome) => outcome.hits);
  const denials = hits.filter(({ rule }) => rule.action === 'deny');
  if (denials.length > 0) return denial(denials, 'normal');
  const permissions = hits.filter(({ rule }) => rule.action === 'allow');
  if (permissions.length > 0 || stance.allowHost) return permission(permissions, 'normal', stance);
  return stance.defaultDeny ? { action: 'deny-default', match: MATCH_TYPE.none, reason: 'default-deny', tier: 'normal', redirects: [] } : undefined;
}

/** The widest decides, and one that names no peer before one that does: either makes the others superfluous. */
function denial(hits: readonly Hit[], tier: Tier): Decision {
  const hit = best(hits, (a, b) => b.width - a.width || Number(a.namesPeer) - Number(b.namesPeer));
  return { action: 'deny', match: matchType(hit), reason: 'denied-by-rule', tier, hit, redirects: [] };
}

/** The narrowest decides; where any has proxy rules, the narrowest of those whose parser wins. */
function permission(hits: readonly Hit[], tier: Tier, { allowHost, defaultDeny }: Pick<Stance, 'allowHost' | 'defaultDeny'>): Decision {
  const kept = hits.filter((hit) => !(hit.namesPeer && namesPort(hit) && hits.some((other) => isSameForEverybody(hit, other))));
  const proxied = allowHost ? [] : winners(hits);
  if (proxied.length === 0) {
    const host = { width: EVERYTHING, namesPeer: true };
    const hit = kept.length === 0 ? undefined : narrowest(kept);
    if (allowHost && (hit === undefined || compareWidth(host, hit) < 0)) return { action: 'allow', match: matchType(host), reason: 'allow-localhost', tier, redirects: [] };
    return { action: 'allow', match: matchType(hit!), reason: 'allowed-by-rule', tier, hit: hit!, redirects: [] };
  }
  const hit = narrowest(proxied);
  const plain = hits.find((other) => other.proxy === undefined && opens(other, hit));
  const opened = plain ?? (tier === 'normal' && !defaultDeny ? ('default-allow' as const) : undefined);
  return { action: 'allow', match: matchType(hit), reason: 'allowed-by-rule', tier, hit, redirects: proxied, ...(opened === undefined ? {} : { opened }) };
}

/** Cilium keeps of two equal permissions the one for everybody where it names a port, which shows in the match type. */
function isSameForEverybody(hit: Hit, other: Hit): boolean {
  return !other.namesPeer && other.first === hit.first && other.width === hit.width;
}

/**
 * Whether a permission without proxy rules lets everything pass beside such that have them. A DNS proxy has the rules of
 * its own port only, and does not hear of permissions for several ports or for all of them (Cilium 1.19,
 * `pkg/fqdn/dnsproxy/proxy.go`); the other proxies do.
 */
export function opens(plain: Hit, proxied: Hit): boolean {
  return parserOf(proxied.proxy!).name !== 'dns' || (plain.first === proxied.first && plain.width === proxied.width);
}

/** The hits of the parser that wins among those with proxy rules. */
function winners(hits: readonly Hit[]): readonly Hit[] {
  const proxied = hits.filter(({ proxy }) => proxy !== undefined);
  if (proxied.length < 2) return proxied;
  const first = proxied.reduce((a, b) => (compareParsers(b.proxy!, a.proxy!) < 0 ? b : a));
  return proxied.filter(({ proxy }) => compareParsers(proxy!, first.proxy!) === 0);
}

const compareWidth = (a: Pick<Hit, 'width' | 'namesPeer'>, b: Pick<Hit, 'width' | 'namesPeer'>): number =>
  (a.width === b.width ? 0 : a.width - b.width) || Number(b.namesPeer) - Number(a.namesPeer);

function narrowest(hits: readonly Hit[]): Hit {
  return best(hits, compareWidth);
}

/** The first by the order; of equals the one whose range begins first, then the one of the earlier rule. */
function best(hits: readonly Hit[], compare: (a: Hit, b: Hit) => number): Hit {
  return hits.reduce((a, b) => ((compare(b, a) || b.first - a.first) < 0 ? b : a));
}
