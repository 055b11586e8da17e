import type { Cidr } from '@cilium-ts/core';
import { cidrContains, parseCidr } from '@cilium-ts/core';
import { PROTOCOL, protocolName } from '../../model/protocol.ts';
import type { Peer, PortTerm } from '../../model/rule.ts';
import type { LintContext } from './context.ts';
import type { PreparedPeer, PreparedRule } from './prepared.ts';
import { choosesByAddress } from './prepared.ts';
import { contradiction } from './selector-logic.ts';

/** Addresses that no packet on a network comes from or goes to, and those that none comes from. */
const NEVER = ['127.0.0.0/8', '::1/128'].map((text) => parseCidr(text)!);
const NEVER_A_SOURCE = ['224.0.0.0/4', 'ff00::/8', '255.255.255.255/32'].map((text) => parseCidr(text)!);

/** Selectors, peers and ports that nothing can match. */
export function checkImpossible(context: LintContext): void {
  const subjects = new Set<string>();
  for (const prepared of context.rules) {
    const { rule } = prepared;
    const why = contradiction(prepared.subject);
    const key = `${rule.resource} ${rule.subject.text}`;
    if (why !== undefined && !subjects.has(key)) {
      subjects.add(key);
      context.report({ code: 'impossible-subject', severity: 'error', rule, message: `the policy selects no endpoint, ever: ${why}`, remedy: 'correct the selector' });
    }
    if (why !== undefined) continue;
    for (const peer of prepared.peers) checkPeer(context, prepared, peer);
    checkPorts(context, prepared);
  }
}

function checkPeer(context: LintContext, { rule }: PreparedRule, { peer, alternatives }: PreparedPeer): void {
  if (peer === undefined) return;
  const report = (message: string, remedy: string): void => context.report({ code: 'impossible-peer', severity: 'error', rule, at: peer.at, message, remedy });
  const reasons = alternatives.map(contradiction);
  if (peer.kind === 'labels' && reasons.length > 0 && reasons.every((why) => why !== undefined)) {
    return report(`the peer is nobody: ${reasons[0]}`, 'correct the selector; for two kinds of peers write two list entries');
  }
  if (peer.kind !== 'cidr') return;
  const { prefix, except } = peer;
  if (covered(prefix, except)) return report(`the exceptions leave nothing of ${prefix.text}`, 'remove the peer, or except less');
  const enabled = prefix.family === 4 ? context.options.ipv4 : context.options.ipv6;
  if (!enabled) return report(`${prefix.text} is IPv${prefix.family}, which is switched off`, 'remove the peer, or switch the family on');
  const never = [...NEVER, ...(rule.direction === 'ingress' ? NEVER_A_SOURCE : [])].find((range) => cidrContains(range, prefix));
  if (never !== undefined) return report(`nothing comes from or goes to ${prefix.text} by way of a network`, 'remove the peer');
  const inside = context.clusterPrefixes.find((range) => cidrContains(range, prefix));
  if (inside === undefined || choosesByAddress(peer, context.options)) return;
  const message = `${prefix.text} lies in ${inside.text}, the cluster's own addresses; prefixes select addresses outside of the cluster only`;
  context.report({ code: 'cidr-inside-cluster', severity: 'warning', rule, at: peer.at, message, remedy: 'select pods by their labels, nodes by the entities host and remote-node' });
}

/** Whether the exceptions together are the whole prefix. */
function covered(prefix: Cidr, except: readonly Cidr[]): boolean {
  if (except.some((inner) => cidrContains(inner, prefix))) return true;
  const within = except.filter((inner) => cidrContains(prefix, inner));
  if (within.length < 2 || prefix.prefixLength >= (prefix.family === 4 ? 32 : 128)) return false;
  return halves(prefix).every((half) => covered(half, within));
}

function halves({ address, prefixLength }: Cidr): Cidr[] {
  const upper = address.bytes.slice();
  upper[prefixLength >> 3]! |= 0x80 >> (prefixLength & 7);
  return [address.bytes, upper].map((bytes) => parseCidr(`${textOf(bytes)}/${prefixLength + 1}`)!);
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  return Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16)).join(':');
}

/** Families that a peer has; `undefined` for those of both. */
function familyOf(peer: Peer | undefined): 4 | 6 | undefined {
  if (peer?.kind === 'cidr') return peer.prefix.family;
  if (peer?.kind !== 'entity') return undefined;
  return peer.entity === 'world-ipv4' ? 4 : peer.entity === 'world-ipv6' ? 6 : undefined;
}

function checkPorts(context: LintContext, { rule, peers }: PreparedRule): void {
  const { ports } = rule;
  if (ports.kind === 'all' || peers.length === 0) return;
  const families = new Set(peers.map(({ peer }) => familyOf(peer)));
  const impossible = (port: PortTerm): boolean =>
    (port.protocol === PROTOCOL.ICMP && families.size === 1 && families.has(6)) || (port.protocol === PROTOCOL.ICMPV6 && families.size === 1 && families.has(4));
  const bad = ports.ports.filter(impossible);
  if (ports.ports.length === 0) {
    context.report({ code: 'impossible-ports', severity: 'error', rule, message: 'the list of ports is empty: the rule matches no traffic', remedy: 'list ports, or leave the list out to mean every port' });
  } else if (bad.length === ports.ports.length) {
    const message = `${protocolName(bad[0]!.protocol)} is of the other address family than every peer of the rule`;
    context.report({ code: 'impossible-ports', severity: 'error', rule, at: bad[0]!.at, message, remedy: `use ${bad[0]!.protocol === PROTOCOL.ICMP ? 'family: IPv6' : 'family: IPv4'}` });
  }
}
