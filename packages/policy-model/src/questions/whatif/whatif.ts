import type { IpAddress } from '@cilium-ts/core';
import type { Identity, LabelSet } from '@cilium-ts/identity';
import { createReservedIdentities, labelSet, numericIdentity, worldLabel } from '@cilium-ts/identity';
import { POSITIONS_PER_PROTOCOL } from '../../compile/row.ts';
import { explain } from '../../explain/explain.ts';
import type { Explanation } from '../../explain/explanation.ts';
import type { OutsideFacts } from '../../explain/outside-identity.ts';
import { addressLabels, nameLabels } from '../../explain/outside-identity.ts';
import { fqdnLabelKey } from '../../model/fqdn.ts';
import type { PolicyOptions } from '../../model/options.ts';
import type { PolicyRepository } from '../../repository.ts';
import type { FlowEnd, FlowRecord } from '../flow-record.ts';
import type { KnownIdentity } from '../identities.ts';
import type { ReachEnd } from '../matrix/ends.ts';
import { reachEnds } from '../matrix/ends.ts';
import { createReach } from '../matrix/matrix.ts';
import type { OpenSpan } from '../matrix/open-traffic.ts';
import { alteredSpans, describeSpans, subtractSpans } from '../matrix/open-traffic.ts';
import { requestOfFlow } from './flow-request.ts';

/** Two states of the policies, and who may be concerned. */
export interface WhatifRequest {
  readonly before: PolicyRepository;
  readonly after: PolicyRepository;
  readonly identities: readonly KnownIdentity[];
  readonly flows?: readonly FlowRecord[];
  readonly options: PolicyOptions;
}

/** `opens` and `closes` connections; `alters` what a proxy lets pass of connections that are allowed before and after. */
export type ChangeKind = 'opens' | 'closes' | 'alters';

/** What a change of policies does between two ends. */
export interface ReachChange {
  readonly kind: ChangeKind;
  readonly from: ReachEnd;
  readonly to: ReachEnd;
  readonly spans: readonly OpenSpan[];
  /** The spans in words. */
  readonly text: string;
  /** Why a packet of the first span was, or would be, treated so. */
  readonly before: Explanation;
  readonly after: Explanation;
}

/** A recorded flow that would be treated otherwise. */
export interface FlowChange {
  readonly kind: 'opens' | 'closes';
  readonly flow: FlowRecord;
  readonly before: Explanation;
  readonly after: Explanation;
}

/** What a change of policies would do. */
export interface Whatif {
  readonly changes: readonly ReachChange[];
  readonly flows: readonly FlowChange[];
  /** Flows that stay as they are, and those whose ends the record does not tell. */
  readonly unchangedFlows: number;
  readonly unknownFlows: number;
  /** Endpoints that an agent would lock down because their proposed policies contradict each other. */
  readonly problems: readonly { readonly end: ReachEnd; readonly message: string }[];
}

/**
 * What replacing the policies `before` by those `after` would open and close, between all known endpoints, the nodes and
 * the world, and which of the recorded flows; each with the rules that decide, before and after.
 */
export function whatif(request: WhatifRequest): Whatif {
  const { before, after, identities, options } = request;
  const ends = reachEnds(identities, [before, after], options);
  const [old, proposed] = [createReach(before, ends, options), createReach(after, ends, options)];
  const changes: ReachChange[] = [];
  for (const from of ends) {
    for (const to of ends) {
      if (!from.endpoint && !to.endpoint) continue;
      const [was, will] = [old.spans(from, to), proposed.spans(from, to)];
      if (was !== will) changes.push(...compareSpans({ from, to, was, will }, request));
    }
  }
  return { changes, ...compareFlows(request, ends), problems: proposed.problems };
}

interface Pair {
  readonly from: ReachEnd;
  readonly to: ReachEnd;
  readonly was: readonly OpenSpan[];
  readonly will: readonly OpenSpan[];
}

function compareSpans({ from, to, was, will }: Pair, { before, after, options }: WhatifRequest): ReachChange[] {
  const kinds: [ChangeKind, readonly OpenSpan[]][] = [
    ['opens', subtractSpans(will, was)],
    ['closes', subtractSpans(was, will)],
    ['alters', alteredSpans(was, will)],
  ];
  return kinds.flatMap(([kind, spans]) => {
    const first = spans[0];
    if (first === undefined) return [];
    const protocol = Math.floor(first.start / POSITIONS_PER_PROTOCOL);
    const port = first.start % POSITIONS_PER_PROTOCOL;
    const ask = (repository: PolicyRepository): Explanation => explain({ repository, from, to, protocol, port: protocol === 1 || protocol === 58 ? Math.min(port, 255) : port, options });
    return [{ kind, from, to, spans, text: describeSpans(spans), before: ask(before), after: ask(after) }];
  });
}

function compareFlows({ before, after, flows = [], identities, options }: WhatifRequest, ends: readonly ReachEnd[]): Pick<Whatif, 'flows' | 'unchangedFlows' | 'unknownFlows'> {
  const resolve = createEndResolver(before, after, { identities, ends, options });
  const changed: FlowChange[] = [];
  let unchangedFlows = 0;
  let unknownFlows = 0;
  for (const flow of flows) {
    const [from, to] = [resolve(flow.from), resolve(flow.to)];
    if (from === undefined || to === undefined) {
      unknownFlows++;
      continue;
    }
    const l7 = requestOfFlow(flow.request);
    const question = { from, to, protocol: flow.protocol, port: flow.port, options, ...(l7 === undefined ? {} : { l7 }) };
    const [was, will] = [explain({ ...question, repository: before }), explain({ ...question, repository: after })];
    if (was.verdict === will.verdict) unchangedFlows++;
    else changed.push({ kind: will.verdict === 'allowed' ? 'opens' : 'closes', flow, before: was, after: will });
  }
  return { flows: changed, unchangedFlows, unknownFlows };
}

interface EndContext {
  readonly identities: readonly KnownIdentity[];
  readonly ends: readonly ReachEnd[];
  readonly options: PolicyOptions;
}

/** Numbers of ends that are in no list: what comes after those of {@link reachEnds}. */
const FIRST_UNLISTED = 0x01ff_8000;

/** Finds the identity of a recorded end: by its address where it is somebody's, its labels, its number, or as part of the world. */
function createEndResolver(before: PolicyRepository, after: PolicyRepository, { identities, ends, options }: EndContext): (end: FlowEnd) => Identity | undefined {
  const byLabels = new Map<string, Identity>(ends.map((end) => [end.labels.text, end]));
  const byId = new Map<number, Identity>(identities.map((identity) => [identity.id, identity]));
  const byAddress = new Map(identities.flatMap((identity) => (identity.addresses ?? []).map((address): [string, Identity] => [address.text, identity])));
  const reserved = createReservedIdentities(options);
  const facts: OutsideFacts = { prefixes: [...before.prefixes(), ...after.prefixes()], fqdnSelectors: unique([...before.fqdnSelectors(), ...after.fqdnSelectors()]) };
  let next = FIRST_UNLISTED;
  const holder = (labels: LabelSet): Identity => {
    let known = byLabels.get(labels.text) ?? reserved.byLabels(labels);
    if (known === undefined) byLabels.set(labels.text, (known = { id: numericIdentity(next++), labels }));
    return known;
  };
  const outside = (address: IpAddress | undefined, names: readonly string[]): Identity => {
    if (address !== undefined) return holder(addressLabels(address, facts, { ...options, names }));
    const world = worldLabel(options.ipv4 ? 4 : 6, options);
    return holder(labelSet([world, ...nameLabels(names, facts.fqdnSelectors)]));
  };
  return ({ labels, identity, address, names = [] }) => {
    const owner = address === undefined ? undefined : byAddress.get(address.text);
    if (owner !== undefined) return owner;
    const numbered = identity === undefined ? undefined : (byId.get(identity) ?? reserved.get(identity));
    const known = labels ?? numbered?.labels;
    if (known !== undefined && !isWorld(known)) return labels === undefined ? numbered : holder(known);
    // Part of the world: rules may tell it apart otherwise than when it was recorded, so that its address counts.
    if (address !== undefined || names.length > 0) return outside(address, names);
    return known === undefined ? undefined : holder(known);
  };
}

function isWorld(labels: LabelSet): boolean {
  return ['world', 'world-ipv4', 'world-ipv6'].some((name) => labels.has('reserved', name));
}

function unique(selectors: OutsideFacts['fqdnSelectors']): OutsideFacts['fqdnSelectors'] {
  return [...new Map(selectors.map((one) => [fqdnLabelKey(one), one])).values()];
}
