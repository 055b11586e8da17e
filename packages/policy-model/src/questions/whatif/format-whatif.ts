import { formatLocation } from '@cilium-ts/manifest';
import { describeLabels } from '../../explain/describe-identity.ts';
import type { DirectionExplanation, Explanation, RuleReference } from '../../explain/explanation.ts';
import { describePacket } from '../../explain/evaluate-rule.ts';
import { describeRequest } from '../../explain/format-explanation.ts';
import type { PolicyOptions } from '../../model/options.ts';
import type { OpenTraffic } from '../matrix/open-traffic.ts';
import { openTraffic } from '../matrix/open-traffic.ts';
import type { ChangeKind, FlowChange, ReachChange, Whatif } from './whatif.ts';

/** Changes that the same rules make: what opens or closes, and between whom. */
export interface ChangeGroup {
  readonly kind: ChangeKind;
  readonly text: string;
  readonly before: string;
  readonly after: string;
  readonly pairs: readonly { readonly from: string; readonly to: string }[];
}

/** A {@link Whatif} as plain JSON values. */
export interface WhatifJson {
  readonly summary: WhatifCounts;
  readonly changes: readonly {
    readonly kind: ChangeKind;
    readonly from: { readonly identity: number; readonly name: string };
    readonly to: { readonly identity: number; readonly name: string };
    readonly text: string;
    readonly traffic: readonly OpenTraffic[];
    readonly before: DecisionJson;
    readonly after: DecisionJson;
  }[];
  readonly flows: readonly { readonly kind: 'opens' | 'closes'; readonly file?: string; readonly line: number; readonly text: string; readonly before: DecisionJson; readonly after: DecisionJson }[];
  readonly problems: readonly { readonly identity: number; readonly name: string; readonly message: string }[];
}

/** How much changes: pairs of ends, and recorded flows. */
export interface WhatifCounts {
  readonly opens: number;
  readonly closes: number;
  readonly alters: number;
  readonly flowsOpened: number;
  readonly flowsClosed: number;
  readonly flowsUnchanged: number;
  readonly flowsUnknown: number;
}

/** A verdict and the rules behind it. */
export interface DecisionJson {
  readonly verdict: 'allowed' | 'denied';
  readonly text: string;
  readonly rules: readonly RuleReference[];
}

/** How much a change does. */
export function countChanges({ changes, flows, unchangedFlows, unknownFlows }: Whatif): WhatifCounts {
  const count = (wanted: ChangeKind): number => changes.filter(({ kind }) => kind === wanted).length;
  const flowCount = (wanted: ChangeKind): number => flows.filter(({ kind }) => kind === wanted).length;
  return { opens: count('opens'), closes: count('closes'), alters: count('alters'), flowsOpened: flowCount('opens'), flowsClosed: flowCount('closes'), flowsUnchanged: unchangedFlows, flowsUnknown: unknownFlows };
}

/** The changes by what decides them, so that a rule about a hundred endpoints is told once. */
export function groupChanges(changes: readonly ReachChange[]): readonly ChangeGroup[] {
  const groups = new Map<string, ChangeGroup & { readonly pairs: { from: string; to: string }[] }>();
  for (const { kind, text, before, after, from, to } of changes) {
    const [was, will] = [describeDecision(before), describeDecision(after)];
    const key = JSON.stringify([kind, text, was, will]);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { kind, text, before: was, after: will, pairs: [] }));
    group.pairs.push({ from: from.name, to: to.name });
  }
  return [...groups.values()];
}

/** The verdict in a line: the side that denies, or each side's permission where a rule gives it. */
export function describeDecision(explanation: Explanation): string {
  const { verdict, egress, ingress } = explanation;
  const sides = [egress, ingress];
  const telling = verdict === 'denied' ? sides.filter((side) => side.verdict === 'denied') : sides.filter(({ deciding }) => deciding !== undefined);
  const texts = telling.map(describeSide);
  return `${verdict}${texts.length === 0 ? (sides.some(({ enforced }) => enforced) ? ': no rule denies it' : ': no policy applies') : `: ${texts.join('; ')}`}`;
}

function describeSide({ direction, deciding, defaultDeny, reason, verdict, redirect }: DirectionExplanation): string {
  if (deciding !== undefined) {
    const how = verdict === 'denied' ? (reason === 'denied-by-l7' ? 'refused by the proxy for' : 'by') : redirect === undefined ? 'by' : `through the ${redirect.parser} proxy by`;
    return `${direction} ${how} ${describeRule(deciding)}`;
  }
  const closing = defaultDeny?.rules[0];
  return closing === undefined ? `${direction} by default` : `${direction} by default, closed by ${describeRule(closing)}`;
}

function describeRule(rule: RuleReference): string {
  return `${rule.resource} (${formatLocation(rule)})`;
}

/** A recorded flow in a line. */
export function describeFlow({ flow, before }: FlowChange, options: Pick<PolicyOptions, 'clusterName'>): string {
  const { from, to, packet, l7 } = before;
  const place = flow.at.file === undefined ? `line ${flow.at.line}` : `${flow.at.file}:${flow.at.line}`;
  // Of the world the address says more than what rules make of it.
  const addressed = (end: typeof flow.from, labels: typeof from.labels): string => {
    const outside = Array.from(labels).some(({ source, key }) => source === 'reserved' && key.startsWith('world'));
    return (outside ? (end.names?.[0] ?? end.address?.text) : undefined) ?? describeLabels(labels, options);
  };
  return `${place}: ${addressed(flow.from, from.labels)} -> ${addressed(flow.to, to.labels)} ${describePacket(packet)}${l7 === undefined ? '' : ` ${describeRequest(l7)}`}`;
}

/** Everything, for machines. */
export function whatifJson(result: Whatif, options: Pick<PolicyOptions, 'clusterName'>): WhatifJson {
  return {
    summary: countChanges(result),
    changes: result.changes.map(({ kind, from, to, text, spans, before, after }) => ({
      kind,
      from: { identity: from.id, name: from.name },
      to: { identity: to.id, name: to.name },
      text,
      traffic: openTraffic(spans),
      before: decisionJson(before),
      after: decisionJson(after),
    })),
    flows: result.flows.map((change) => ({
      kind: change.kind,
      ...(change.flow.at.file === undefined ? {} : { file: change.flow.at.file }),
      line: change.flow.at.line,
      text: describeFlow(change, options),
      before: decisionJson(change.before),
      after: decisionJson(change.after),
    })),
    problems: result.problems.map(({ end, message }) => ({ identity: end.id, name: end.name, message })),
  };
}

function decisionJson(explanation: Explanation): DecisionJson {
  const { verdict, egress, ingress } = explanation;
  const sides = [egress, ingress].filter((side) => verdict === 'allowed' || side.verdict === 'denied');
  return { verdict, text: describeDecision(explanation), rules: sides.flatMap(({ deciding, defaultDeny }) => deciding ?? defaultDeny?.rules ?? []) };
}
