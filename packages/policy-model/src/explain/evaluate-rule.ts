import type { SourceLocation } from '../model/location.ts';
import type { ProxyRules } from '../model/l7.ts';
import { MAX_PORT, positionMeaning, protocolName } from '../model/protocol.ts';
import type { Peer, PortTerm, Rule } from '../model/rule.ts';
import type { MatchType } from '../model/verdict.ts';
import { MATCH_TYPE } from '../model/verdict.ts';
import type { Packet } from './explanation.ts';
import type { PeerContext, PeerMatch } from './match-peer.ts';
import { OTHER, describePeer, matchPeer } from './match-peer.ts';
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
  readonly peer: Peer | undefined;
  readonly match: PeerMatch | undefined;
  readonly term: PortTerm | undefined;
}

/** What came of a rule: every way in which it matches, or one reason why it does not. */
export interface RuleOutcome {
  readonly rule: Rule;
  readonly outcome: 'matched' | 'peer' | 'port' | 'nobody';
  readonly hits: readonly Hit[];
  /** Of `peer`: what is to be told of its peers, by their places, where that may change later. */
  readonly told?: readonly (PeerMatch | undefined)[];
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

const NO_HITS: readonly Hit[] = [];

/** Evaluates a rule that selects the endpoint against a peer and a packet, without rows. */
export function evaluateRule(rule: Rule, context: RuleContext): RuleOutcome {
  const { peers } = rule;
  if (peers.kind === 'none') return { rule, outcome: 'nobody', hits: NO_HITS };
  if (peers.kind === 'any') return withPorts(rule, [undefined], context);
  let chosen: ChosenPeer[] | undefined;
  let told: PeerMatch[] | undefined;
  for (let i = 0; i < peers.peers.length; i++) {
    const peer = peers.peers[i]!;
    const match = matchPeer(peer, context, rule);
    if (match.matches) (chosen ??= []).push({ peer, match });
    else if (match.detail !== undefined) (told ??= [])[i] = match;
  }
  if (chosen !== undefined) return withPorts(rule, chosen, context);
  return told === undefined ? { rule, outcome: 'peer', hits: NO_HITS } : { rule, outcome: 'peer', hits: NO_HITS, told };
}

interface ChosenPeer {
  readonly peer: Peer;
  readonly match: PeerMatch;
}

function withPorts(rule: Rule, chosen: readonly (ChosenPeer | undefined)[], context: RuleContext): RuleOutcome {
  if (rule.ports.kind === 'all') return { rule, outcome: 'matched', hits: hitsOf(rule, chosen, { first: 0, width: EVERYTHING }) };
  let hits: Hit[] | undefined;
  for (const term of rule.ports.ports) {
    const range = matchTerm(term, context);
    if (range !== undefined) (hits ??= []).push(...hitsOf(rule, chosen, { ...range, term }));
  }
  return hits === undefined ? { rule, outcome: 'port', hits: NO_HITS } : { rule, outcome: 'matched', hits };
}

interface PortRange {
  readonly first: number;
  readonly width: number;
}

/** The ports that a term means, where the packet's is among them. */
function matchTerm({ protocol, first, last, name }: PortTerm, { packet, namedPorts }: RuleContext): PortRange | undefined {
  if (protocol !== packet.protocol) return undefined;
  if (name === undefined) return first <= packet.port && packet.port <= last ? { first, width: last - first + 1 } : undefined;
  const meant = namedPorts().some((known) => known.name === name && known.protocol === protocol && known.port === packet.port);
  return meant ? { first: packet.port, width: 1 } : undefined;
}

function hitsOf(rule: Rule, chosen: readonly (ChosenPeer | undefined)[], { first, width, term }: PortRange & { readonly term?: PortTerm }): Hit[] {
  return chosen.map((one) => ({ rule, namesPeer: one?.match.namesPeer ?? false, first, width, proxy: term?.proxy, peer: one?.peer, match: one?.match, term }));
}

/** Where in its rule a hit stands. */
export function hitLocation({ rule, peer, term }: Hit): SourceLocation {
  return term?.at ?? peer?.at ?? rule.at;
}

/** What matched. */
export function describeHit({ peer, match, term, first }: Hit, context: RuleContext): string {
  const whom = peer === undefined || match === undefined ? 'every peer' : describePeer(peer, match, context);
  return `${whom}; ${term === undefined ? 'every protocol and port' : describeTerm(term, first)}`;
}

/** Why a rule does not match. */
export function describeMiss({ rule, outcome, told }: RuleOutcome, context: RuleContext): string {
  if (rule.peers.kind === 'none') return rule.peers.why;
  if (outcome === 'port' || rule.peers.kind === 'any') return missingPort(rule, context);
  return summarize(rule.peers.peers.map((peer, i) => describePeer(peer, told?.[i] ?? OTHER, context)));
}

/** Long lists of peers fail alike: some say enough. */
function summarize(details: readonly string[]): string {
  const distinct = [...new Set(details)];
  return distinct.length > 3 ? `${distinct.slice(0, 3).join('; ')}; and ${distinct.length - 3} more peers` : distinct.join('; ');
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
