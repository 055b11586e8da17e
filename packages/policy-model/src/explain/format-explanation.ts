import type { L7Request } from '../l7/request.ts';
import { formatLocation } from '../model/location.ts';
import type { PolicyOptions } from '../model/options.ts';
import { describeIdentity } from './describe-identity.ts';
import { describePacket } from './evaluate-rule.ts';
import type { Candidate, DecisionReason, DirectionExplanation, Explanation, RedirectExplanation, RuleReference } from './explanation.ts';

const REASONS: Readonly<Record<DecisionReason, string>> = {
  'no-endpoint': 'policies do not apply to this side',
  'enforcement-never': 'policies are not enforced (enable-policy=never)',
  'no-rules': 'no rule of this direction selects the endpoint',
  'denied-by-rule': 'a rule denies it',
  'allowed-by-rule': 'a rule allows it',
  'denied-by-l7': 'the connection is allowed, but the proxy does not let this pass',
  'allow-localhost': 'the node may always reach its endpoints (allow-localhost)',
  'default-allow': 'no rule denies it, and no rule that selects the endpoint enables default deny',
  'default-deny': 'no rule allows it, and',
};

/** Rules that do not match are told up to this number; the JSON form has all. */
const MAX_OTHERS = 12;

/** The explanation for people. */
export function formatExplanation(explanation: Omit<Explanation, 'text'>, options: Pick<PolicyOptions, 'clusterName'>): string {
  const { from, to, packet, l7, serverName, verdict, audited, egress, ingress } = explanation;
  const [source, destination] = [describeIdentity(from, options), describeIdentity(to, options)];
  const asked = [l7 === undefined ? undefined : describeRequest(l7), serverName === undefined ? undefined : `server name ${serverName}`];
  const request = asked.filter((text) => text !== undefined).join(', ');
  return [
    `${describePacket(packet)} from ${source} to ${destination}${request === '' ? '' : `: ${request}`}`,
    '',
    ...formatDirection(egress, source),
    '',
    ...formatDirection(ingress, destination),
    '',
    `verdict: ${verdict}${audited ? ' (audit mode: would be denied)' : proxied(explanation)}`,
  ].join('\n');
}

/** `HTTP GET example.org/path`, `DNS query example.org`. */
export function describeRequest(request: L7Request): string {
  if ('http' in request) return `HTTP ${request.http.method} ${request.http.host ?? ''}${request.http.path}`;
  if ('dns' in request) return `DNS query for ${request.dns.name}`;
  if ('kafka' in request) return `Kafka request ${request.kafka.apiKey}${(request.kafka.topics ?? []).map((topic) => ` ${topic}`).join('')}`;
  const fields = Object.entries(request.generic.fields).map(([key, value]) => `${key}=${value}`);
  return `${request.generic.parser} ${fields.join(' ')}`;
}

function proxied({ verdict, egress, ingress }: Pick<Explanation, 'verdict' | 'egress' | 'ingress'>): string {
  const open = [egress, ingress].some(({ redirect }) => redirect !== undefined && redirect.passes === undefined);
  return verdict === 'allowed' && open ? ', as far as the proxy: requests are checked there' : '';
}

function formatDirection(direction: DirectionExplanation, endpoint: string): string[] {
  const { reason, verdict, redirect, defaultDeny, log, candidates } = direction;
  const why = reason === 'default-deny' ? `${REASONS[reason]} ${describeDefaultDeny(direction)}` : REASONS[reason];
  const others = candidates.filter(({ outcome }) => outcome !== 'matched');
  const more = others.length > MAX_OTHERS ? [`  and ${others.length - MAX_OTHERS} more rules that select the endpoint and do not match`] : [];
  return [
    `${direction.direction} of ${endpoint}: ${verdict}: ${why}`,
    ...(reason === 'default-deny' && defaultDeny?.why === 'rule' ? [`  closed by ${formatRule(defaultDeny.rules[0]!, 'entry')}`] : []),
    ...(redirect === undefined ? [] : formatRedirect(redirect)),
    ...(log.length === 0 ? [] : [`  log: ${log.join(' | ')}`]),
    ...candidates.filter(({ outcome }) => outcome === 'matched').flatMap(formatMatched),
    ...others.slice(0, MAX_OTHERS).flatMap(formatOther),
    ...more,
  ];
}

function describeDefaultDeny({ defaultDeny }: DirectionExplanation): string {
  if (defaultDeny?.why === 'enforcement-always') return 'policies are always enforced (enable-policy=always)';
  if (defaultDeny?.why === 'init') return 'the endpoint is closed until its labels are known (reserved:init)';
  const count = defaultDeny?.rules.length ?? 0;
  return count === 1 ? 'a rule puts the endpoint into default deny' : `${count} rules put the endpoint into default deny`;
}

function formatRedirect({ parser, opened, serverNames, passes }: RedirectExplanation): string[] {
  const outcome = passes === undefined ? 'decides on each request' : passes ? 'lets this pass' : 'refuses this';
  const lines = [`  through the ${parser} proxy, which ${opened === undefined ? outcome : 'lets everything pass'}`];
  if (serverNames !== undefined) lines.push(`    server names: ${serverNames.join(', ')}`);
  if (opened !== undefined) lines.push(`    ${opened.why}${opened.by === undefined ? '' : `: ${formatRule(opened.by)}`}`);
  return lines;
}

const EFFECTS: Readonly<Record<NonNullable<Candidate['effect']>, string>> = {
  decides: 'decides',
  agrees: 'says the same',
  redirects: 'counts too',
  passes: 'passes on',
  shadowed: 'shadowed',
};
const PAD = Math.max(...Object.values(EFFECTS).map(({ length }) => length), 'other ports'.length);
const INDENT = ' '.repeat(PAD + 4);

function formatMatched({ rule, detail, effect, shadow, l7 }: Candidate): string[] {
  const notes = [detail];
  if (l7 !== undefined) notes.push(`${l7.matches === undefined ? '' : l7.matches ? 'passes: ' : 'does not pass: '}${l7.detail}`);
  if (shadow !== undefined) notes.push(`${shadow.why}${shadow.by === undefined ? '' : `: ${formatRule(shadow.by)}`}`);
  if (rule.description !== undefined) notes.push(`“${rule.description}”`);
  if (rule.labels !== undefined) notes.push(`labels ${rule.labels.join(' ')}`);
  return [`  ${EFFECTS[effect ?? 'agrees'].padEnd(PAD)}  ${describeRule(rule)}`, ...notes.map((note) => `${INDENT}${note}`)];
}

const OUTCOMES: Readonly<Record<Candidate['outcome'], string>> = { matched: 'matches', peer: 'other peers', port: 'other ports', nobody: 'nobody' };

function formatOther({ rule, outcome, detail }: Candidate): string[] {
  return [`  ${OUTCOMES[outcome].padEnd(PAD)}  ${describeRule(rule)}`, `${INDENT}${detail}`];
}

/** `deny CiliumNetworkPolicy/shop/cart (cart.yaml:23: spec.ingressDeny[0])`. */
function describeRule(rule: RuleReference): string {
  const tier = rule.tier === 'normal' ? '' : ` [${rule.tier}${rule.priority === undefined ? '' : `, priority ${rule.priority}`}]`;
  return `${rule.action} ${formatRule(rule)}${tier}`;
}

function formatRule(rule: RuleReference, at: 'field' | 'entry' = 'field'): string {
  return `${rule.resource} (${formatLocation(at === 'entry' ? { ...rule, field: rule.entry } : rule)})`;
}
