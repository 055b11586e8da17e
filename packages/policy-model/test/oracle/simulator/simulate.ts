import { ciliumEntries } from './cilium-entries.ts';
import type { Context, Entry, Side } from './entry.ts';
import { networkPolicyEntries } from './kubernetes-entries.ts';
import { proxyVerdict } from './layer7.ts';
import { has } from './selectors.ts';
import type { Json, Party, SimPacket, SimVerdict } from './tables.ts';
import { tierEntries } from './tier-entries.ts';

/**
 * What policies mean, packet by packet and rule by rule, straight from the documents. Knows nothing of the library: it
 * is the second opinion on it, written from the meaning of the resources, and slow.
 */
export function simulate(context: Context, from: Party, to: Party, packet: SimPacket): { egress: SimVerdict; ingress: SimVerdict } {
  return {
    egress: judge(context, { side: 'egress', subject: from, peer: to, receiver: to }, packet),
    ingress: judge(context, { side: 'ingress', subject: to, peer: from, receiver: to }, packet),
  };
}

const remembered = new WeakMap<Context, Entry[]>();

/** The entries of all documents. */
export function allEntries(context: Context): readonly Entry[] {
  let entries = remembered.get(context);
  if (entries === undefined) remembered.set(context, (entries = context.documents.flatMap((document) => [...entriesOf(document, context)])));
  return entries;
}

function* entriesOf(document: Json, context: Context): Iterable<Entry> {
  if (document.kind.startsWith('Cilium')) {
    if (document.kind !== 'CiliumCIDRGroup') yield* ciliumEntries(document, context);
  } else if (document.kind === 'NetworkPolicy') yield* networkPolicyEntries(document, context);
  else yield* tierEntries(document, context);
}

interface Parties {
  readonly side: Side;
  readonly subject: Party;
  readonly peer: Party;
  /** Whose port the packet goes to. */
  readonly receiver: Party;
}

function judge(context: Context, parties: Parties, packet: SimPacket): SimVerdict {
  const { side, subject } = parties;
  const { options } = context;
  if (!isEndpoint(subject, context)) return { action: 'none', why: `${subject.name} is no endpoint` };
  if (options.enforcement === 'never') return { action: 'allow', why: 'enforcement is off' };
  const entries = allEntries(context).filter((entry) => entry.side === side && entry.selects(subject));
  const ordered = (tier: 'admin' | 'baseline'): SimVerdict | undefined => firstInOrder(entries.filter((entry) => entry.tier === tier), parties, packet);
  return (
    ordered('admin') ??
    judgeNormal(context, entries.filter(({ tier }) => tier === 'normal'), parties, packet) ??
    ordered('baseline') ?? { action: 'allow', why: 'nothing decides' }
  );
}

function isEndpoint(subject: Party, { options }: Context): boolean {
  if (subject.where === 'outside') return false;
  if (has(subject, 'reserved', 'host', options)) return options.hostFirewall === true;
  return !['unmanaged', 'remote-node', 'kube-apiserver', 'ingress'].some((name) => has(subject, 'reserved', name, options));
}

/** The first entry of a tier that is about the packet; `pass` ends the tier. */
function firstInOrder(entries: readonly Entry[], { peer, receiver }: Parties, packet: SimPacket): SimVerdict | undefined {
  const before = (a: Entry, b: Entry): number =>
    a.order.priority - b.order.priority || (a.order.key < b.order.key ? -1 : a.order.key > b.order.key ? 1 : a.order.index - b.order.index);
  const first = [...entries].sort(before).find((entry) => entry.matchesPeer(peer) && entry.matchesPort(packet, receiver).length > 0);
  return first === undefined || first.action === 'pass' ? undefined : { action: first.action, why: first.where };
}

function judgeNormal(context: Context, entries: readonly Entry[], { side, subject, peer, receiver }: Parties, packet: SimPacket): SimVerdict | undefined {
  const { enforcement, allowLocalhost, strictNetworkPolicy = false } = context.options;
  const closed = enforcement === 'always' || has(subject, 'reserved', 'init', context.options) || entries.some(({ defaultDeny }) => defaultDeny);
  const matching = entries
    .filter((entry) => entry.matchesPeer(peer))
    .map((entry) => ({ entry, asks: entry.matchesPort(packet, receiver) }))
    .filter(({ asks }) => asks.length > 0);
  const denying = matching.find(({ entry }) => entry.action === 'deny');
  if (denying !== undefined) return { action: 'deny', why: denying.entry.where };
  if (side === 'ingress' && allowLocalhost && !strictNetworkPolicy && has(peer, 'reserved', 'host', context.options)) return { action: 'allow', why: 'the node may always' };
  if (matching.length > 0) {
    const proxy = proxyVerdict(matching.flatMap(({ asks }) => asks), !closed, packet);
    const why = matching.map(({ entry }) => entry.where).join(', ');
    return { action: 'allow', why, ...(proxy === undefined ? {} : { proxy: proxy.parser, passes: proxy.passes }) };
  }
  return closed ? { action: 'deny-default', why: 'nothing allows it' } : undefined;
}
