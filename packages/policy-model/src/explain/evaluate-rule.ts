import type { SourceLocation } from '../model/location.ts';
import type { ProxyRules } from '../model/l7.ts';
import { MAX_PORT, positionMeaning, protocolName } from '../model/protocol.ts';
import type { PortTerm, Rule } from '../model/rule.ts';
import type { MatchType } from '../model/verdict.ts';
import { MATCH_TYPE } from '../model/verdict.ts';
import type { Packet } from './explanation.ts';
import type { PeerContext, PeerMatch } from './match-peer.ts';
import { matchPeer } from './match-peer.ts';
import type { KnownPort } from './policy-source.ts';

/** What a rule is held against. */
export interface RuleContext extends PeerContext {
  readonly packet: Packet;
  /** What names of ports mean: those of the endpoint on ingress, those of the peer on egress. */
  readonly namedPorts: () => readonly KnownPort[];
}

/** One way in which a rule matches: a peer together with a port. */
export interface Hit {
  readonly rule: Rule;
  /** Whether the rule chose the peer, rather than being about everybody. */
  readonly namesPeer: boolean;
  /** First port or ICMP type of the range, and how many there are: a protocol has 65,536, everything `EVERYTHING`. */
  readonly first: number;
  readonly width: number;
  readonly proxy: ProxyRules | undefined;
  readonly at: SourceLocation;
  readonly detail: () => string;
}

/** What came of a rule: every way in which it matches, or one reason why it does not. */
export interface RuleOutcome {
  readonly rule: Rule;
  readonly outcome: 'matched' | 'peer' | 'port' | 'nobody';
  readonly hits: readonly Hit[];
  readonly detail: () => string;
}

/** Width of a rule without ports: more than any protocol. */
export const EVERYTHING = Infinity;
const PROTOCOL_WIDTH = MAX_PORT + 1;

/** The match type that a hit gives where it decides. */
export function matchType({ width, namesPeer }: Pick<Hit, 'width' | 'namesPeer'>): MatchType {
  if (width === EVERYTHING) return namesPeer ? MATCH_TYPE.l3Only : MATCH_TYPE.all;
  if (width === PROTOCOL_WIDTH) return namesPeer ? MATCH_TYPE.l3Proto : MATCH_TYPE.protoOnly;
  return namesPeer ? MATCH_TYPE.l3L4 : MATCH_TYPE.l4Only;
}

/** Whether a hit names a port, rather than a protocol or nothing. */
export function namesPort({ width }: Pick<Hit, 'width'>): boolean {
  return width < PROTOCOL_WIDTH;
}

/** Evaluates a rule that selects the endpoint against a peer and a packet, without rows. */
export function evaluateRule(rule: Rule, context: RuleContext): RuleOutcome {
  const fail = (outcome: 'peer' | 'port' | 'nobody', detail: () => string): RuleOutcome => ({ rule, outcome, hits: [], detail });
  const { peers } = rule;
  if (peers.kind === 'none') return fail('nobody', () => peers.why);
  const ports = matchingPorts(rule, context);
  const missed = (): string => missingPort(rule, context);
  if (peers.kind === 'any') {
    if (ports.length === 0) return fail('port', missed);
    return matched(rule, ports.map((port) => hit(rule, port, undefined)));
  }
  const hits: Hit[] = [];
  const failed: PeerMatch[] = [];
  let chosen = false;
  for (const peer of peers.peers) {
    const match = matchPeer(peer, context, rule.action);
    if (!match.matches) failed.push(match);
    else {
      chosen = true;
      for (const port of ports) hits.push(hit(rule, port, { ...match, at: peer.at }));
    }
  }
  if (!chosen) return fail('peer', () => summarize(failed.map(({ detail }) => detail())));
  return ports.length === 0 ? fail('port', missed) : matched(rule, hits);
}

const matched = (rule: Rule, hits: readonly Hit[]): RuleOutcome => ({ rule, outcome: 'matched', hits, detail: hits[0]!.detail });

/** Long lists of peers fail alike: some say enough. */
function summarize(details: readonly string[]): string {
  const distinct = [...new Set(details)];
  return distinct.length > 3 ? `${distinct.slice(0, 3).join('; ')}; and ${distinct.length - 3} more peers` : distinct.join('; ');
}

interface ChosenPort {
  readonly first: number;
  readonly width: number;
  readonly term?: PortTerm;
}

function hit(rule: Rule, { first, width, term }: ChosenPort, peer: (PeerMatch & { readonly at: SourceLocation }) | undefined): Hit {
  return {
    rule,
    namesPeer: peer?.namesPeer ?? false,
    first,
    width,
    proxy: term?.proxy,
    at: term?.at ?? peer?.at ?? rule.at,
    detail: () => `${peer?.detail() ?? 'every peer'}; ${term === undefined ? 'every protocol and port' : describeTerm(term, first)}`,
  };
}

function matchingPorts({ ports }: Rule, { packet, namedPorts }: RuleContext): ChosenPort[] {
  if (ports.kind === 'all') return [{ first: 0, width: EVERYTHING }];
  const chosen: ChosenPort[] = [];
  for (const term of ports.ports) {
    if (term.protocol !== packet.protocol) continue;
    if (term.name === undefined) {
      if (term.first <= packet.port && packet.port <= term.last) chosen.push({ first: term.first, width: term.last - term.first + 1, term });
    } else if (namedPorts().some((known) => known.name === term.name && known.protocol === packet.protocol && known.port === packet.port)) {
      chosen.push({ first: packet.port, width: 1, term });
    }
  }
  return chosen;
}

/** Why no port matches; a name that means another number, or none, is worth a word. */
function missingPort({ ports, direction }: Rule, { packet, namedPorts }: RuleContext): string {
  const plain = `${describePacket(packet)} is not among its ports`;
  const names = new Set(ports.kind === 'all' ? [] : ports.ports.flatMap(({ name, protocol }) => (name === undefined || protocol !== packet.protocol ? [] : [name])));
  const whose = direction === 'ingress' ? 'endpoint' : 'peer';
  const meanings = [...names].map((name) => {
    const numbers = namedPorts().filter((known) => known.name === name && known.protocol === packet.protocol);
    return numbers.length === 0 ? `no container of the ${whose} names a port ${name}` : `the ${whose}'s port ${name} is ${numbers.map(({ port }) => port).join(', ')}`;
  });
  return meanings.length === 0 ? plain : `${plain} (${meanings.join('; ')})`;
}

function describeTerm({ protocol, first, last, name }: PortTerm, port: number): string {
  const text = protocolName(protocol);
  if (name !== undefined) return `${text} port ${name}, which is ${port}`;
  if (first === 0 && last === MAX_PORT) return `every ${text} packet`;
  const what = positionMeaning(protocol) === 'icmp-type' ? 'type' : 'port';
  return first === last ? `${text} ${what} ${first}` : `${text} ports ${first}-${last}`;
}

/** `80/TCP`, `ICMP type 8`, `protocol 47`. */
export function describePacket({ protocol, port }: Packet): string {
  const meaning = positionMeaning(protocol);
  if (meaning === 'port') return `${port}/${protocolName(protocol)}`;
  if (meaning === 'icmp-type') return `${protocolName(protocol)} type ${port}`;
  return `protocol ${protocolName(protocol)}`;
}
