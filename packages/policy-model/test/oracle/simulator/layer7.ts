import type { ProxyAsk, Unchecked } from './entry.ts';
import type { Answer, Json, SimPacket, SimRequest } from './tables.ts';

/** Smaller wins; a listener may bring a priority of its own. */
const RANKS: Readonly<Record<string, number>> = { http: 101, kafka: 106, generic: 111, tls: 116, dns: 121, listener: 126 };

/** What a member of `toPorts` asks of a proxy; `undefined`: nothing. */
export function proxyAsk(rule: Json): ProxyAsk | undefined {
  const serverNames: string[] = rule.serverNames ?? [];
  const { http = [], kafka = [], dns = [], l7proto, l7 = [] } = rule.rules ?? {};
  const ask = (kind: string, rules: readonly Json[], parser = kind): ProxyAsk => ({ parser, name: parser, rank: RANKS[kind]!, serverNames, rules });
  if (rule.listener !== undefined) {
    const { name, priority = 0 } = rule.listener;
    return { ...ask('listener', []), name: `listener ${name}`, rank: priority === 0 ? RANKS['listener']! : priority };
  }
  if (http.length > 0) return ask('http', http);
  if (kafka.length > 0) return ask('kafka', kafka);
  if (dns.length > 0) return ask('dns', dns);
  if (l7proto !== undefined) return ask('generic', l7, `generic:${l7proto}`);
  const tls = serverNames.length > 0 || rule.terminatingTLS !== undefined || rule.originatingTLS !== undefined;
  return tls ? ask('tls', []) : undefined;
}

/** What a proxy makes of a connection: `undefined` where none looks at it. */
export function proxyVerdict(asks: readonly (ProxyAsk | Unchecked)[], open: boolean, packet: SimPacket): { parser: string; passes: Answer } | undefined {
  const proxied = asks.filter((ask) => typeof ask !== 'string');
  if (proxied.length === 0) return undefined;
  // Of two parsers of the same rank the first by name wins.
  const [first] = [...proxied].sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  const winners = proxied.filter(({ name, rank }) => name === first!.name && rank === first!.rank);
  // The DNS proxy has the rules of its own port, and does not know of any that are about more than that.
  const unchecked = asks.includes('the port') || (asks.includes('ports') && first!.parser !== 'dns');
  if (open || unchecked) return { parser: first!.parser, passes: 'yes' };
  const answers = [namePasses(winners, packet.serverName), first!.parser === 'listener' ? 'unknown' : requestPasses(winners, packet.request)];
  return { parser: first!.parser, passes: answers.includes('no') ? 'no' : answers.includes('unknown') ? 'unknown' : 'yes' };
}

function namePasses(asks: readonly ProxyAsk[], serverName: string | undefined): Answer {
  if (asks.some(({ serverNames }) => serverNames.length === 0)) return 'yes';
  if (serverName === undefined) return 'unknown';
  return asks.some(({ serverNames }) => serverNames.some((name) => serverNameMatches(name, serverName))) ? 'yes' : 'no';
}

/** `*` at the beginning stands for one label, `**` for one or more. */
function serverNameMatches(pattern: string, name: string): boolean {
  const labels = name.toLowerCase().split('.');
  const wanted = pattern.toLowerCase().split('.');
  if (wanted[0] === '**') return labels.length >= wanted.length && wanted.slice(1).join('.') === labels.slice(labels.length - wanted.length + 1).join('.');
  return labels.length === wanted.length && wanted.every((label, i) => (label === '*' && i === 0 ? labels[i] !== '' : label === labels[i]));
}

function requestPasses(asks: readonly ProxyAsk[], request: SimRequest | undefined): Answer {
  if (asks.some(({ rules }) => rules.length === 0)) return 'yes';
  if (request === undefined) return 'unknown';
  return asks.some(({ rules, parser }) => rules.some((rule) => ruleMatches(parser, rule, request))) ? 'yes' : 'no';
}

function ruleMatches(parser: string, rule: Json, request: SimRequest): boolean {
  if (parser === 'http') return request.kind === 'http' && httpMatches(rule, request);
  if (parser === 'kafka') return request.kind === 'kafka' && kafkaMatches(rule, request);
  if (parser === 'dns') return request.kind === 'dns' && nameMatches(rule, request.name);
  return request.kind === 'generic' && `generic:${request.parser}` === parser && Object.entries(rule).every(([key, value]) => request.fields[key] === value);
}

function httpMatches(rule: Json, request: Extract<SimRequest, { kind: 'http' }>): boolean {
  const fits = (pattern: string | undefined, text: string): boolean => pattern === undefined || pattern === '' || new RegExp(`^(?:${pattern})$`).test(text);
  const header = (name: string): string | undefined => Object.entries(request.headers).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
  const headers: boolean = (rule.headers ?? []).every((text: string) => {
    const colon = text.indexOf(':');
    if (colon < 0) return header(text.trim()) !== undefined;
    return header(text.slice(0, colon).trim()) === text.slice(colon + 1).trim();
  });
  const values: boolean = (rule.headerMatches ?? []).every(({ name, value, mismatch }: Json) => {
    if (mismatch !== undefined && mismatch !== '') return true;
    return value === undefined ? header(name) !== undefined : header(name) === value;
  });
  return fits(rule.method, request.method) && fits(rule.path, request.path) && fits(rule.host, request.host) && headers && values;
}

const KEYS: Readonly<Record<string, number>> = {
  produce: 0, fetch: 1, offsets: 2, metadata: 3, offsetcommit: 8, offsetfetch: 9, findcoordinator: 10, joingroup: 11,
  heartbeat: 12, leavegroup: 13, syncgroup: 14, apiversions: 18,
};
const ROLES: Readonly<Record<string, readonly string[]>> = {
  produce: ['produce', 'metadata', 'apiversions'],
  consume: ['fetch', 'offsets', 'offsetcommit', 'offsetfetch', 'findcoordinator', 'joingroup', 'heartbeat', 'leavegroup', 'syncgroup', 'metadata', 'apiversions'],
};
/** API keys whose requests name topics; a rule with a topic lets the others pass. */
const WITH_TOPIC = [0, 1, 2, 3, 8, 9];

function kafkaMatches(rule: Json, request: Extract<SimRequest, { kind: 'kafka' }>): boolean {
  const keys = rule.role !== undefined && rule.role !== '' ? ROLES[rule.role]! : rule.apiKey !== undefined && rule.apiKey !== '' ? [String(rule.apiKey).toLowerCase()] : [];
  if (keys.length > 0 && !keys.some((key) => KEYS[key] === request.apiKey)) return false;
  if ((rule.apiVersion ?? '') !== '' && Number(rule.apiVersion) !== request.apiVersion) return false;
  if ((rule.clientID ?? '') !== '' && rule.clientID !== request.clientId) return false;
  return (rule.topic ?? '') === '' || !WITH_TOPIC.includes(request.apiKey) || rule.topic === request.topic;
}

/** Whether a name is chosen by `matchName` or `matchPattern`; names have a final dot. */
export function nameMatches({ matchName, matchPattern }: Json, name: string): boolean {
  const absolute = (text: string): string => (text.endsWith('.') ? text : `${text}.`).toLowerCase();
  const asked = absolute(name);
  if (matchName !== undefined) return absolute(matchName) === asked;
  if (/^\*+\.?$/.test(matchPattern)) return true;
  let pattern = absolute(matchPattern);
  const CHARACTER = '[-a-zA-Z0-9_]';
  const labels = /^\*{2,}\./.test(pattern) ? `(?:${CHARACTER}+[.])+` : '';
  if (labels !== '') pattern = pattern.replace(/^\*{2,}\./, '');
  const rest = pattern.split(/(\*+|\.)/).map((part) => (part === '.' ? '[.]' : /^\*+$/.test(part) ? `${CHARACTER}*` : part)).join('');
  return new RegExp(`^${labels}${rest}$`).test(asked);
}
