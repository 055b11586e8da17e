import { matchesFqdn } from '../fqdn/match-fqdn.ts';
import { matchRequest } from '../l7/match-request.ts';
import type { L7Request } from '../l7/request.ts';
import type { ProxyRules } from '../model/l7.ts';
import type { Hit } from './evaluate-rule.ts';
import type { L7Finding } from './explanation.ts';

/** Ranks of parsers where no listener says its own; smaller ones win (Cilium's `pkg/policy/l4.go`). */
const PRIORITY = { http: 101, kafka: 106, generic: 111, tls: 116, dns: 121, listener: 126 } as const;

/** The parser that a hit's connections go to, and its rank. */
export interface ParserRank {
  readonly name: string;
  readonly priority: number;
}

/** What takes the connections of a term with such rules. */
export function parserOf({ l7, listener }: ProxyRules): ParserRank {
  if (listener !== undefined) return { name: 'listener', priority: listener.priority ?? PRIORITY.listener };
  if (l7 === undefined) return { name: 'tls', priority: PRIORITY.tls };
  return { name: l7.kind === 'generic' ? `generic:${l7.parser}` : l7.kind, priority: PRIORITY[l7.kind] };
}

/** Negative where the first wins. Listeners of equal rank by their own names. */
export function compareParsers(a: ProxyRules, b: ProxyRules): number {
  const [first, second] = [parserOf(a), parserOf(b)];
  if (first.priority !== second.priority) return first.priority - second.priority;
  const names = [`${first.name} ${a.listener?.name ?? ''}`, `${second.name} ${b.listener?.name ?? ''}`] as const;
  return names[0] === names[1] ? 0 : names[0] < names[1] ? -1 : 1;
}

/** What of a connection is known beyond its packets. */
export interface ConnectionFacts {
  readonly l7: L7Request | undefined;
  readonly serverName: string | undefined;
}

/** How the facts fare with one rule's own proxy rules. */
export function findL7(proxy: ProxyRules, facts: ConnectionFacts): L7Finding {
  const parser = parserOf(proxy).name;
  const name = matchServerName(proxy.serverNames, facts.serverName);
  if (name === false) return { parser, matches: false, detail: `the server name ${facts.serverName} is not among ${proxy.serverNames!.join(', ')}` };
  if (proxy.listener !== undefined) return { parser, matches: undefined, detail: `the listener ${proxy.listener.name} decides` };
  if (proxy.l7 === undefined || facts.l7 === undefined) {
    const unasked = proxy.l7 === undefined ? name === undefined : true;
    if (unasked) return { parser, matches: undefined, detail: describeProxy(proxy) };
    return { parser, matches: true, detail: name === undefined ? 'every server name' : `the server name ${facts.serverName}` };
  }
  const { matches, index, mismatches } = matchRequest(proxy.l7, facts.l7);
  const place = index === undefined ? {} : { index };
  if (matches) return { parser, matches, ...place, detail: index === undefined ? 'every request, or each of its topics by one of the rules' : `the request is of layer-7 rule ${index}: ${describeL7Rule(proxy.l7.rules[index]!)}` };
  return { parser, matches, detail: mismatches.length > 3 ? `${mismatches.slice(0, 3).join('; ')}; and ${mismatches.length - 3} more rules` : mismatches.join('; ') };
}

/** Whether one of the names means it: `*.` one label, `**.` several. `undefined` where either is not known. */
function matchServerName(names: readonly string[] | undefined, asked: string | undefined): boolean | undefined {
  if (names === undefined || asked === undefined) return undefined;
  return names.some((name) => matchesFqdn(name.includes('*') ? { pattern: name } : { name }, asked));
}

/** What a proxy makes of the connection by the union of the hits' rules: `undefined` where it depends on what is not known. */
export function judgeTogether(hits: readonly Hit[], facts: ConnectionFacts): boolean | undefined {
  const proxies = hits.map(({ proxy }) => proxy!);
  const names = unitedServerNames(hits);
  const nameFits = names === undefined ? true : matchServerName(names, facts.serverName);
  if (nameFits === false) return false;
  if (proxies.some(({ listener }) => listener !== undefined)) return undefined;
  if (proxies.some(({ l7 }) => l7 === undefined)) return nameFits;
  if (facts.l7 === undefined) return undefined;
  const request = facts.l7;
  const fits = proxies.some(({ l7 }) => matchRequest(l7!, request).matches) || coveredTogether(proxies, request);
  return fits ? nameFits : false;
}

/** A Kafka request about several topics may need the rules of several policies. */
function coveredTogether(proxies: readonly ProxyRules[], request: L7Request): boolean {
  const rules = proxies.flatMap(({ l7 }) => (l7?.kind === 'kafka' ? l7.rules : []));
  return 'kafka' in request && rules.length > 0 && matchRequest({ kind: 'kafka', rules }, request).matches;
}

/** The server names that any of the hits allows; `undefined` where one of them allows every name. */
export function unitedServerNames(hits: readonly Hit[]): readonly string[] | undefined {
  const lists = hits.map(({ proxy }) => proxy!.serverNames);
  return lists.some((list) => list === undefined) ? undefined : [...new Set(lists.flatMap((list) => list!))].sort();
}

/** The rules of a proxy in words, for a question that held no request. */
function describeProxy({ l7, serverNames }: ProxyRules): string {
  const names = serverNames === undefined ? [] : [`server names ${serverNames.join(', ')}`];
  if (l7 === undefined) return names[0] ?? 'TLS';
  const rules = l7.rules.map(describeL7Rule);
  const more = rules.length > 4 ? [...rules.slice(0, 4), `${rules.length - 4} more`] : rules;
  const what = l7.kind === 'generic' ? l7.parser : l7.kind;
  return [...names, rules.length === 0 ? `every ${what} request` : `${what}: ${more.join(' | ')}`].join('; ');
}

/** `method GET, path /public/.*`; `anything` for a rule without conditions. */
function describeL7Rule(rule: object): string {
  const parts = Object.entries(rule).flatMap(([key, value]) => {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    return [`${key} ${Array.isArray(value) && value.every((item) => typeof item !== 'object') ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value)}`];
  });
  return parts.join(', ') || 'anything';
}
