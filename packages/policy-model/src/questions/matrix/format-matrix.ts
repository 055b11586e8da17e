import type { ReachEnd } from './ends.ts';
import type { MatrixCell, ReachMatrix } from './matrix.ts';
import type { OpenTraffic } from './open-traffic.ts';
import { openTraffic } from './open-traffic.ts';

/** Ends that may open the same to the same, and be opened the same by the same. */
export interface EndGroup {
  readonly names: readonly string[];
  readonly endpoint: boolean;
}

/** What the members of one group may open to those of another. */
export interface GroupReach {
  readonly from: EndGroup;
  readonly to: EndGroup;
  readonly text: string;
}

/** A matrix without repetitions: what nobody can tell apart by policy is one. */
export interface MatrixSummary {
  readonly groups: readonly EndGroup[];
  /** Pairs of groups between which something may be opened. */
  readonly reach: readonly GroupReach[];
}

/** A matrix as plain JSON values. */
export interface MatrixJson {
  readonly ends: readonly { readonly identity: number; readonly name: string; readonly labels: readonly string[]; readonly endpoint: boolean }[];
  /** Pairs, by identity, between which something may be opened. */
  readonly reach: readonly { readonly from: number; readonly to: number; readonly text: string; readonly open: readonly OpenTraffic[] }[];
  readonly problems: readonly { readonly identity: number; readonly message: string }[];
}

/** Puts ends together that policies do not tell apart. */
export function summarizeMatrix({ ends, cells }: ReachMatrix): MatrixSummary {
  const texts = new Map<ReachEnd, Map<ReachEnd, string>>(ends.map((end) => [end, new Map()]));
  for (const { from, to, text } of cells) texts.get(from)!.set(to, text);
  const groups = new Map<string, ReachEnd[]>();
  for (const end of ends) {
    const signature = JSON.stringify([end.endpoint, ends.map((other) => [texts.get(end)!.get(other), texts.get(other)!.get(end)])]);
    const group = groups.get(signature);
    if (group === undefined) groups.set(signature, [end]);
    else group.push(end);
  }
  const members = [...groups.values()].map((list) => ({ first: list[0]!, second: list[1] ?? list[0]!, group: { names: list.map(({ name }) => name), endpoint: list[0]!.endpoint } }));
  const reach = members.flatMap((from) =>
    members.flatMap((to): GroupReach[] => {
      const text = texts.get(from.first)!.get(from === to ? to.second : to.first);
      return text === undefined || text === 'nothing' ? [] : [{ from: from.group, to: to.group, text }];
    }),
  );
  return { groups: members.map(({ group }) => group), reach };
}

/** One line for everything that a group may open to whom: for tables. */
export function matrixLines({ groups, reach }: MatrixSummary): readonly { readonly from: readonly string[]; readonly to: readonly string[]; readonly text: string }[] {
  return groups.flatMap((from) => {
    const byText = new Map<string, string[]>();
    for (const cell of reach.filter((one) => one.from === from)) byText.set(cell.text, [...(byText.get(cell.text) ?? []), ...cell.to.names]);
    return [...byText].map(([text, to]) => ({ from: from.names, to, text }));
  });
}

/** Everything, for machines. */
export function matrixJson({ ends, cells, problems }: ReachMatrix): MatrixJson {
  const open = new Map<MatrixCell['spans'], OpenTraffic[]>();
  const trafficOf = (spans: MatrixCell['spans']): OpenTraffic[] => {
    let known = open.get(spans);
    if (known === undefined) open.set(spans, (known = openTraffic(spans)));
    return known;
  };
  return {
    ends: ends.map(({ id, name, labels, endpoint }) => ({ identity: id, name, labels: labels.toStrings(), endpoint })),
    reach: cells.filter(({ spans }) => spans.length > 0).map(({ from, to, text, spans }) => ({ from: from.id, to: to.id, text, open: trafficOf(spans) })),
    problems: problems.map(({ end, message }) => ({ identity: end.id, message })),
  };
}

/** A graph for Graphviz: endpoints as boxes, what is outside of policy as ellipses. */
export function matrixDot({ groups, reach }: MatrixSummary): string {
  const quote = (text: string): string => `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
  const nodes = groups.map(({ names, endpoint }, i) => `  n${i} [label=${quote(names.join('\n'))}, shape=${endpoint ? 'box' : 'ellipse'}];`);
  const edges = reach.map(({ from, to, text }) => `  n${groups.indexOf(from)} -> n${groups.indexOf(to)} [label=${quote(text)}];`);
  return ['digraph reach {', '  rankdir=LR;', ...nodes, ...edges, '}'].join('\n');
}

/** A flowchart for Mermaid. */
export function matrixMermaid({ groups, reach }: MatrixSummary): string {
  const quote = (text: string): string => `"${text.replace(/[#"<>&]/g, (char) => `#${char.codePointAt(0)};`).replace(/\n/g, '<br/>')}"`;
  const nodes = groups.map(({ names, endpoint }, i) => `  n${i}${endpoint ? '[' : '(['}${quote(names.join('\n'))}${endpoint ? ']' : '])'}`);
  const edges = reach.map(({ from, to, text }) => `  n${groups.indexOf(from)} -->|${quote(text)}| n${groups.indexOf(to)}`);
  return ['flowchart LR', ...nodes, ...edges].join('\n');
}
