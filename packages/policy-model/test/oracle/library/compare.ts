import { stringify } from 'yaml';
import type { CompiledPolicy, Explanation, L7Request, RowVerdict, RuleSet } from '../../../src/index.ts';
import { compilePolicy, explain, lookupRow, matchRequest, matchesFqdn, rowForPeer } from '../../../src/index.ts';
import { simulate } from '../simulator/simulate.ts';
import type { Answer, Party, SimPacket, SimRequest, SimVerdict } from '../simulator/tables.ts';
import type { Loaded, Scene } from './load.ts';

/** A packet between two parties. */
export interface Question {
  readonly from: Party;
  readonly to: Party;
  readonly packet: SimPacket;
}

/** Counts of what the comparisons were about, so that a test can ask for enough of each. */
export type Tally = Map<string, number>;

/** A verdict as text, the same from whatever source: action, parser, and what the proxy makes of the request. */
const text = (action: string, parser?: string, passes?: Answer): string => [action, ...(parser === undefined ? [] : [parser, passes ?? 'unknown'])].join(' ');

/** Holds the simulator, the compiled rows and the explanation of one packet against each other. Throws where they differ. */
export function compare(scene: Scene, loaded: Loaded, question: Question, tally: Tally): void {
  const { from, to, packet } = question;
  const simulated = simulate(scene, from, to, packet);
  const [source, target] = [loaded.byParty.get(from)!, loaded.byParty.get(to)!];
  const explained = explainPacket(scene, loaded, question);
  for (const side of ['egress', 'ingress'] as const) {
    const expected = simulated[side];
    const [subject, peer] = side === 'egress' ? [source, target] : [target, source];
    const found: Record<string, string> = { simulator: text(expected.action, expected.proxy, expected.passes), explain: explainedText(explained[side]) };
    if (expected.action !== 'none') {
      const row = lookupRow(rowForPeer(compiledFor(scene, loaded, subject.id)[side], peer.id), packet.protocol, packet.port);
      found['rows'] = rowText(row, packet, expected);
    }
    count(tally, expected);
    if (new Set(Object.values(found)).size > 1) throw disagreement(scene, question, `${side}: ${JSON.stringify(found)}; the simulator: ${expected.why}`, explained.text);
  }
}

function explainPacket({ options }: Scene, { repository, byParty }: Loaded, { from, to, packet }: Question): Explanation {
  const { protocol, port, request, serverName } = packet;
  const facts = { ...(request === undefined ? {} : { l7: requestOf(request) }), ...(serverName === undefined ? {} : { serverName }) };
  return explain({ repository, from: byParty.get(from)!, to: byParty.get(to)!, protocol, port, icmpType: port, options, ...facts });
}

function requestOf(request: SimRequest): L7Request {
  if (request.kind === 'http') return { http: request };
  if (request.kind === 'dns') return { dns: request };
  if (request.kind === 'generic') return { generic: request };
  const { topic, ...rest } = request;
  return { kafka: { ...rest, topics: topic === undefined ? [] : [topic] } };
}

function explainedText({ reason, action, redirect }: Explanation['egress']): string {
  if (reason === 'no-endpoint') return 'none';
  return text(action, redirect?.parser, redirect?.passes === undefined ? 'unknown' : redirect.passes ? 'yes' : 'no');
}

/** What a row says, and what its rule set says about the request. */
function rowText({ action, ruleSet }: RowVerdict, packet: SimPacket, expected: SimVerdict): string {
  if (ruleSet === undefined) return text(action);
  // What a listener does is its own affair, also where everything is allowed.
  if (ruleSet.parser === 'listener' && expected.proxy === 'listener') return text(action, 'listener', expected.passes);
  const answers = [nameAnswer(ruleSet, packet), requestAnswer(ruleSet, packet, expected)];
  return text(action, ruleSet.parser, answers.includes('no') ? 'no' : answers.includes('unknown') ? 'unknown' : 'yes');
}

function nameAnswer({ serverNames }: RuleSet, { serverName }: SimPacket): Answer {
  if (serverNames === undefined) return 'yes';
  if (serverName === undefined) return 'unknown';
  return serverNames.some((name) => matchesFqdn(name.includes('*') ? { pattern: name } : { name }, serverName)) ? 'yes' : 'no';
}

function requestAnswer({ rules }: RuleSet, { request }: SimPacket, { passes = 'unknown' }: SimVerdict): Answer {
  if (rules === undefined) return 'yes';
  // A rule without conditions is written like the wildcard: only of requests of its protocol it is known what it does.
  const wildcard = rules.rules.some((rule) => isWildcard(rules.kind, rule));
  const asked = request?.kind === 'generic' && rules.kind === 'generic' ? request.parser === rules.parser : request?.kind === rules.kind;
  if (wildcard && !asked) return passes === 'unknown' && request !== undefined ? 'no' : passes;
  if (request === undefined) return 'unknown';
  return matchRequest(rules, requestOf(request)).matches ? 'yes' : 'no';
}

/** The rule that lets everything pass, which is there where something allows the connection without rules. */
function isWildcard(kind: string, rule: object): boolean {
  if (kind === 'dns') return 'pattern' in rule && rule.pattern === '*';
  if (kind === 'kafka') return JSON.stringify(rule) === '{"apiKeys":[]}';
  return Object.keys(rule).length === 0;
}

const compiled = new WeakMap<Loaded, Map<number, CompiledPolicy>>();

function compiledFor(scene: Scene, loaded: Loaded, id: number): CompiledPolicy {
  let policies = compiled.get(loaded);
  if (policies === undefined) compiled.set(loaded, (policies = new Map()));
  let policy = policies.get(id);
  if (policy === undefined) {
    const subject = loaded.identities.find((identity) => identity.id === id)!;
    policy = compilePolicy({ repository: loaded.repository, subject, identities: loaded.identities, options: scene.options });
    policies.set(id, policy);
  }
  return policy;
}

function count(tally: Tally, { action, proxy, passes }: SimVerdict): void {
  const kind = proxy === undefined ? action : `proxy ${passes}`;
  tally.set(kind, (tally.get(kind) ?? 0) + 1);
}

/** Everything one needs to see in order to decide who is right. */
function disagreement(scene: Scene, { from, to, packet }: Question, what: string, explanation: string): Error {
  const policies = scene.documents.map((document) => stringify(document)).join('---\n');
  const known = stringify({ options: scene.options, tables: scene.tables, from, to, packet });
  return new Error(`${what}\n\n${policies}\n# ${from.name} -> ${to.name}\n${known}\n${explanation}`);
}
