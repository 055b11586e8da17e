import type { Pattern, PatternError } from '../l7/pattern.ts';
import { compilePattern } from '../l7/pattern.ts';
import type { PolicyField } from '../model/issue.ts';
import type { HttpRule, KafkaRule, L7Rules } from '../model/l7.ts';
import type { HttpSpec, KafkaSpec, L7RulesSpec } from '../schema/cilium-ports.ts';
import { translateFqdn } from './fqdn.ts';
import { didYouMean, missing, quote, refuse } from './report.ts';

/** Names of Kafka's requests, at the places of their API keys. */
const KAFKA_KEYS = (
  'produce fetch offsets metadata leaderandisr stopreplica updatemetadata controlledshutdown offsetcommit offsetfetch findcoordinator joingroup ' +
  'heartbeat leavegroup syncgroup describegroups listgroups saslhandshake apiversions createtopics deletetopics deleterecords initproducerid ' +
  'offsetforleaderepoch addpartitionstotxn addoffsetstotxn endtxn writetxnmarkers txnoffsetcommit describeacls createacls deleteacls describeconfigs alterconfigs'
).split(' ');

/** The API keys that the roles stand for. */
const KAFKA_ROLES = { produce: [0, 3, 18], consume: [1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18] } as const;

/** The layer-7 rules of a port rule; `undefined` where it has none. */
export function translateL7Rules(spec: L7RulesSpec, field: PolicyField): L7Rules | undefined {
  const { http, kafka, dns, l7proto, l7 } = spec;
  if (http !== undefined) return { kind: 'http', rules: http.map((rule, index) => httpRule(rule, field.child('http', index))) };
  if (kafka !== undefined) return { kind: 'kafka', rules: kafka.map((rule, index) => kafkaRule(rule, field.child('kafka', index))) };
  if (dns !== undefined) {
    return { kind: 'dns', rules: dns.map((rule, index) => translateFqdn(rule, field.child('dns', index))).filter((rule) => rule !== undefined) };
  }
  if (l7proto === undefined) return l7 === undefined ? undefined : missing(field, 'l7 says nothing without l7proto', 'add l7proto, the name of the parser');
  (l7 ?? []).forEach((rule, index) => {
    if (Object.hasOwn(rule, '')) refuse(field.child('l7', index), 'a key is empty', 'name every key');
  });
  return { kind: 'generic', parser: l7proto, rules: l7 ?? [] };
}

/** Fields that are empty are as good as absent. */
const filled = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== '' && (value as unknown[]).length !== 0)) as never;

function httpRule({ headerMatches, ...rule }: HttpSpec, field: PolicyField): HttpRule {
  for (const part of ['method', 'path', 'host'] as const) checkPattern(rule[part], field.child(part));
  return filled({ ...rule, headerMatches: headerMatches?.map((match) => filled(match) as typeof match) }) as HttpRule;
}

function checkPattern(text: string | undefined, field: PolicyField): void {
  const pattern: Pattern | PatternError | undefined = text === undefined ? undefined : compilePattern(text);
  if (pattern === undefined || !('error' in pattern)) return;
  refuse(field, `${quote(text)} is not a regular expression: ${pattern.error}, at character ${pattern.at + 1}`, "write it in RE2's syntax, which has neither references nor looking around");
}

function kafkaRule({ role, apiKey, apiVersion, clientID, topic }: KafkaSpec, field: PolicyField): KafkaRule {
  const apiKeys: number[] = role === undefined ? [] : [...KAFKA_ROLES[role]];
  if (apiKey !== undefined && apiKey !== '') {
    const key = KAFKA_KEYS.indexOf(apiKey.toLowerCase());
    if (key < 0) refuse(field.child('apiKey'), `${quote(apiKey)} is not a request of Kafka`, didYouMean(apiKey, KAFKA_KEYS, `use one of ${KAFKA_KEYS.join(', ')}`));
    apiKeys.push(key);
  }
  const version = apiVersion === undefined || apiVersion === '' ? undefined : Number(apiVersion);
  if (version !== undefined && (!/^\d+$/.test(apiVersion!) || version > 32767)) refuse(field.child('apiVersion'), `${quote(apiVersion)} is not a version`, 'use a number from 0 to 32767');
  return { apiKeys, ...filled({ apiVersion: version, clientId: clientID, topic }) };
}
