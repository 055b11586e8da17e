import { matchesFqdn } from '../fqdn/match-fqdn.ts';
import type { KafkaRule, L7Rules } from '../model/l7.ts';
import { httpMismatch } from './match-http.ts';
import type { KafkaRequest, L7Request } from './request.ts';
import { requestKind } from './request.ts';

/** What came of holding a request against rules. */
export interface L7Match {
  readonly matches: boolean;
  /** The first rule of the list that matches; absent where the list is empty, and where it takes several. */
  readonly index?: number;
  /** What was in the way of each rule, in their order; or the one thing in the way of all. */
  readonly mismatches: readonly string[];
}

/**
 * Whether any of the rules lets the request pass. An empty list lets everything pass that is of the protocol; a
 * request of another protocol passes nowhere.
 */
export function matchRequest(rules: L7Rules, request: L7Request): L7Match {
  const kind = requestKind(request);
  const asked = 'generic' in request ? request.generic.parser : kind;
  const spoken = rules.kind === 'generic' ? rules.parser : rules.kind;
  if (rules.kind !== kind || asked !== spoken) return { matches: false, mismatches: [`the request is ${asked}, the rules are ${spoken}`] };
  if (rules.rules.length === 0) return { matches: true, mismatches: [] };
  const mismatches: string[] = [];
  const judge = mismatchOf(rules, request);
  for (let index = 0; index < rules.rules.length; index++) {
    const mismatch = judge(index);
    if (mismatch === undefined) return { matches: true, index, mismatches };
    mismatches.push(mismatch);
  }
  return { matches: rules.kind === 'kafka' && 'kafka' in request && topicsCovered(rules.rules, request.kafka), mismatches };
}

/** The reason why a rule, by its index, does not let the request pass. Kinds have been compared. */
function mismatchOf(rules: L7Rules, request: L7Request): (index: number) => string | undefined {
  if (rules.kind === 'http' && 'http' in request) return (index) => httpMismatch(rules.rules[index]!, request.http);
  if (rules.kind === 'kafka' && 'kafka' in request) return (index) => kafkaMismatch(rules.rules[index]!, request.kafka, request.kafka.topics ?? []);
  if (rules.kind === 'generic' && 'generic' in request) return (index) => fieldMismatch(rules.rules[index]!, request.generic.fields);
  if (rules.kind === 'dns' && 'dns' in request) {
    const { name } = request.dns;
    return (index) => {
      const rule = rules.rules[index]!;
      return matchesFqdn(rule, name) ? undefined : `the name ${name} is not ${'name' in rule ? rule.name : `of the pattern ${rule.pattern}`}`;
    };
  }
  return () => 'another protocol';
}

function kafkaMismatch(rule: KafkaRule, request: KafkaRequest, topics: readonly string[]): string | undefined {
  if (rule.apiKeys.length > 0 && !rule.apiKeys.includes(request.apiKey)) return `the API key ${request.apiKey} is not among ${rule.apiKeys.join(', ')}`;
  if (rule.apiVersion !== undefined && rule.apiVersion !== request.apiVersion) return `the API version is not ${rule.apiVersion}`;
  if (rule.clientId !== undefined && rule.clientId !== request.clientId) return `the client is not ${rule.clientId}`;
  const other = rule.topic === undefined ? undefined : topics.find((topic) => topic !== rule.topic);
  return other === undefined ? undefined : `the topic ${other} is not ${rule.topic}`;
}

/** A request about several topics passes where each of them does, by whichever rule. */
function topicsCovered(rules: readonly KafkaRule[], request: KafkaRequest): boolean {
  const topics = request.topics ?? [];
  return topics.length > 1 && topics.every((topic) => rules.some((rule) => kafkaMismatch(rule, request, [topic]) === undefined));
}

function fieldMismatch(rule: Readonly<Record<string, string>>, fields: Readonly<Record<string, string>>): string | undefined {
  for (const [key, value] of Object.entries(rule)) {
    if (!Object.hasOwn(fields, key)) return `there is no ${key}`;
    if (fields[key] !== value) return `${key} is ${JSON.stringify(fields[key])}, not ${JSON.stringify(value)}`;
  }
  return undefined;
}
