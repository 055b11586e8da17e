import type { LabelSet } from '@cilium-ts/identity';
import { portPositions } from '../compile/prepared-rule.ts';
import { ROW_POSITIONS } from '../compile/row.ts';
import type { RowTerm } from '../compile/row-term.ts';
import type { SourceLocation } from '../model/location.ts';
import type { PolicyOptions } from '../model/options.ts';
import { positionMeaning, protocolName } from '../model/protocol.ts';
import type { PortTerm, Rule } from '../model/rule.ts';
import type { Candidate, Packet, RuleReference } from './explanation.ts';
import { matchPeer } from './match-peer.ts';

/** One way in which a rule matches: a peer together with a port. */
export interface RuleMatch {
  readonly term: RowTerm;
  readonly candidate: Candidate;
}

/** What came of a rule: every way in which it matches, or one reason why it does not. */
export type RuleEvaluation =
  | { readonly matched: true; readonly matches: readonly RuleMatch[] }
  | { readonly matched: false; readonly candidate: Candidate };

/** Evaluates a rule that selects the endpoint against a peer and a packet, without rows. */
export function evaluateRule(rule: Rule, peer: LabelSet, packet: Packet, options: PolicyOptions): RuleEvaluation {
  const fail = (outcome: 'peer' | 'port' | 'nobody', detail: string): RuleEvaluation => ({
    matched: false,
    candidate: { rule: reference(rule, rule.at), outcome, detail },
  });
  if (rule.peers.kind === 'none') return fail('nobody', rule.peers.why);
  const peers = matchingPeers(rule, peer, options);
  if (typeof peers === 'string') return fail('peer', peers);
  const ports = matchingPorts(rule, packet);
  if (ports.length === 0) return fail('port', `${describePacket(packet)} is not among its ports`);
  const matches = peers.flatMap((chosen) =>
    ports.map((port) => {
      const at = port.at ?? chosen.at ?? rule.at;
      const candidate: Candidate = { rule: reference(rule, at), outcome: 'matched', detail: `${chosen.detail}; ${port.detail}` };
      return { candidate, term: { start: port.start, end: port.end, action: rule.action, namesPeer: chosen.namesPeer } };
    }),
  );
  return { matched: true, matches };
}

interface ChosenPeer {
  readonly namesPeer: boolean;
  readonly detail: string;
  readonly at: SourceLocation | undefined;
}

/** The peers that match, or why none does. */
function matchingPeers(rule: Rule, labels: LabelSet, options: PolicyOptions): ChosenPeer[] | string {
  if (rule.peers.kind !== 'peers') return [{ namesPeer: false, detail: 'every peer', at: undefined }];
  const results = rule.peers.peers.map((peer) => ({ ...matchPeer(peer, labels, options), at: peer.at }));
  const matching = results.filter(({ matches }) => matches);
  return matching.length > 0 ? matching : results.map(({ detail }) => detail).join('; ');
}

interface ChosenPort {
  readonly start: number;
  readonly end: number;
  readonly detail: string;
  readonly at: SourceLocation | undefined;
}

function matchingPorts(rule: Rule, packet: Packet): ChosenPort[] {
  if (rule.ports.kind === 'all') return [{ start: 0, end: ROW_POSITIONS - 1, detail: 'every protocol and port', at: undefined }];
  return rule.ports.ports
    .filter(({ protocol, first, last }) => protocol === packet.protocol && first <= packet.port && packet.port <= last)
    .map((term) => ({ ...portPositions(term), detail: describePorts(term), at: term.at }));
}

function describePorts({ protocol, first, last }: PortTerm): string {
  const name = protocolName(protocol);
  if (first === 0 && last === 65535) return `every ${name} packet`;
  const what = positionMeaning(protocol) === 'icmp-type' ? 'type' : 'port';
  return first === last ? `${name} ${what} ${first}` : `${name} ports ${first}-${last}`;
}

/** `80/TCP`, `ICMP type 8`, `protocol 47`. */
export function describePacket({ protocol, port }: Packet): string {
  const meaning = positionMeaning(protocol);
  if (meaning === 'port') return `${port}/${protocolName(protocol)}`;
  if (meaning === 'icmp-type') return `${protocolName(protocol)} type ${port}`;
  return `protocol ${protocolName(protocol)}`;
}

function reference(rule: Rule, at: SourceLocation): RuleReference {
  return { ...at, resource: rule.resource, action: rule.action, entry: rule.at.field };
}
