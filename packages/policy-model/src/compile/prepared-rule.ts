import type { Selector } from '@cilium-ts/identity';
import type { NamedPort } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { PortTerm, Rule } from '../model/rule.ts';
import { blocksByAddress, selectByAddress } from './by-address.ts';
import type { PeerReferences } from './resolve-peer.ts';
import { dependsOnReferences, resolvePeer } from './resolve-peer.ts';
import { POSITIONS_PER_PROTOCOL, ROW_POSITIONS } from './row.ts';
import type { RowTerm, TermExtras, TermOrder } from './row-term.ts';

/** A rule with its peers as selectors and its ports as row positions. */
export interface PreparedRule {
  readonly rule: Rule;
  /** Key of the resource, and place of the rule in it: the order in which rules are looked at. */
  readonly place: RulePlace;
  /** Grows with every rule that is prepared: tells apart what a rule was before and after a change. */
  readonly number: number;
  /** Whether it is about the node itself, by a nodeSelector; such a rule is about no other endpoint, and no other about the node. */
  readonly selectsHost: boolean;
  /** Selectors of peers that do not choose everybody. */
  readonly peers: readonly Selector[];
  /** What applies to each of `peers`, named ports apart. */
  readonly peerTerms: readonly RowTerm[];
  /** What applies to everybody, named ports apart. */
  readonly anyTerms: readonly RowTerm[];
  /** Named ports, for each of `peers`, and for everybody. */
  readonly namedPeerTerms: readonly NamedTerm[];
  readonly namedAnyTerms: readonly NamedTerm[];
}

/** Key of a resource, and the place of a rule in it. */
export interface RulePlace {
  readonly resource: string;
  readonly index: number;
}

/** A term whose port has a name; its positions are those that somebody gives to the name. */
export interface NamedTerm {
  readonly name: string;
  readonly protocol: number;
  /** Its positions mean nothing. */
  readonly term: RowTerm;
}

/** The first and last position of a port term. */
export function portPositions({ protocol, first, last }: Pick<PortTerm, 'protocol' | 'first' | 'last'>): { start: number; end: number } {
  const base = protocol * POSITIONS_PER_PROTOCOL;
  return { start: base + first, end: base + last };
}

/** What rules are prepared with. */
export interface PrepareContext {
  readonly options: PolicyOptions;
  readonly references: PeerReferences;
  /** A number for the next rule. */
  readonly number: () => number;
}

/** Whether the rule has to be prepared again when what it refers to changes. */
export function isDynamic(rule: Rule, options: PolicyOptions): boolean {
  return blocksByAddress(rule, options).length > 0 || (rule.peers.kind === 'peers' && rule.peers.peers.some(dependsOnReferences));
}

/** Prepares a rule. */
export function prepareRule(rule: Rule, place: RulePlace, { options, references, number }: PrepareContext): PreparedRule {
  const selectors = new Map<string, Selector>();
  let everybody = rule.peers.kind === 'any';
  for (const peer of rule.peers.kind === 'peers' ? rule.peers.peers : []) {
    for (const chosen of resolvePeer(peer, options, references)) {
      if (chosen.requirements.length === 0) everybody = true;
      else selectors.set(chosen.text, chosen);
    }
  }
  for (const chosen of selectByAddress(blocksByAddress(rule, options), rule.action, references.directory)) selectors.set(chosen.text, chosen);
  const [peerTerms, namedPeerTerms] = selectors.size > 0 ? termsOf(rule, true) : NO_TERMS;
  const [anyTerms, namedAnyTerms] = everybody ? termsOf(rule, false) : NO_TERMS;
  const selectsHost = rule.subject.requirements.some(({ source, key, operator }) => source === 'reserved' && key === 'host' && operator === 'Exists');
  return { rule, place, number: number(), selectsHost, peers: [...selectors.values()], peerTerms, anyTerms, namedPeerTerms, namedAnyTerms };
}

const NO_TERMS: readonly [readonly RowTerm[], readonly NamedTerm[]] = [[], []];

function termsOf(rule: Rule, namesPeer: boolean): readonly [readonly RowTerm[], readonly NamedTerm[]] {
  const order = orderOf(rule);
  const { action, tier } = rule;
  const extrasOf = createExtras(rule);
  // Written out, since objects that are put together of parts get a layout each, which costs memory and time.
  const makeTerm = (start: number, end: number, extras: TermExtras | undefined): RowTerm => ({ start, end, action, namesPeer, tier, order, extras });
  if (rule.ports.kind === 'all') return [[makeTerm(0, ROW_POSITIONS - 1, extrasOf(undefined))], []];
  const terms: RowTerm[] = [];
  const named: NamedTerm[] = [];
  for (const port of rule.ports.ports) {
    const { start, end } = portPositions(port);
    const term = makeTerm(start, end, extrasOf(port));
    if (port.name === undefined) terms.push(term);
    else named.push({ name: port.name, protocol: port.protocol, term });
  }
  return [terms, named];
}

function orderOf({ tier, order, resource }: Rule): TermOrder | undefined {
  if (tier === 'normal' || order === undefined) return undefined;
  return { priority: order.priority, resource, index: order.index };
}

/** The extras of a port term; the same object for all with the same proxy rules. */
function createExtras({ authentication, log }: Rule): (port: PortTerm | undefined) => TermExtras | undefined {
  const common = { ...(authentication !== undefined && { authentication }), ...(log !== undefined && { log }) };
  const plain = Object.keys(common).length > 0 ? common : undefined;
  const byProxy = new Map<unknown, TermExtras>();
  return (port) => {
    if (port?.proxy === undefined) return plain;
    let known = byProxy.get(port.proxy);
    if (known === undefined) byProxy.set(port.proxy, (known = { ...common, proxy: port.proxy }));
    return known;
  };
}

/** The terms that named ports come to where those have these names. */
export function resolveNamed(terms: readonly NamedTerm[], ports: readonly NamedPort[]): RowTerm[] {
  return terms.flatMap(({ name, protocol, term }) =>
    ports
      .filter((port) => port.name === name && port.protocol === protocol)
      .map(({ port }) => moved(term, portPositions({ protocol, first: port, last: port }))),
  );
}

function moved({ action, namesPeer, tier, order, extras }: RowTerm, { start, end }: { readonly start: number; readonly end: number }): RowTerm {
  return { start, end, action, namesPeer, tier, order, extras };
}
