import type { PolicyRow, RowVerdict } from '../../compile/row.ts';
import { POSITIONS_PER_PROTOCOL, ROW_POSITIONS } from '../../compile/row.ts';
import { MAX_PORT, positionMeaning, protocolName } from '../../model/protocol.ts';

/** A run of positions (`protocol * 65536 + port`), both ends inclusive, that may be opened. */
export interface OpenSpan {
  readonly start: number;
  readonly end: number;
  /** Names of the parsers of the proxies in between, egress first. */
  readonly proxy?: string;
  /** Equal for spans on which the proxies let the same pass. */
  readonly rules?: string;
}

/** What may be opened, for machines: protocols from–to, and ports (or ICMP types) from–to of each. */
export interface OpenTraffic {
  readonly protocols: readonly [first: number, last: number];
  readonly ports: readonly [first: number, last: number];
  readonly proxy?: string;
}

const LAST = ROW_POSITIONS - 1;

/** What both rows allow. A side without policy has no row. */
export function openSpans(egress: PolicyRow | undefined, ingress: PolicyRow | undefined): readonly OpenSpan[] {
  const starts = new Set([0, ...[egress, ingress].flatMap((row) => row?.boundaries.map(({ start }) => start) ?? [])]);
  const sorted = [...starts].sort((a, b) => a - b);
  const spans: OpenSpan[] = [];
  const cursor = [egress, ingress].map((row) => createCursor(row));
  sorted.forEach((start, i) => {
    const verdicts = cursor.map((verdictAt) => verdictAt(start));
    if (verdicts.some((verdict) => verdict !== undefined && verdict.action !== 'allow')) return;
    const sets = verdicts.flatMap((verdict) => (verdict?.ruleSet === undefined ? [] : [verdict.ruleSet]));
    const through = sets.length === 0 ? {} : { proxy: [...new Set(sets.map(({ parser }) => parser))].join(' and '), rules: sets.map(({ id }) => id).join(' ') };
    append(spans, { start, end: (sorted[i + 1] ?? ROW_POSITIONS) - 1, ...through });
  });
  return spans;
}

/** The verdict at positions that only grow. */
function createCursor(row: PolicyRow | undefined): (position: number) => RowVerdict | undefined {
  let index = 0;
  return (position) => {
    if (row === undefined) return undefined;
    while (index + 1 < row.boundaries.length && row.boundaries[index + 1]!.start <= position) index++;
    return row.boundaries[index]!.verdict;
  };
}

/** Adds a span, or lengthens the one before it. */
function append(spans: OpenSpan[], span: OpenSpan): void {
  const last = spans.at(-1);
  if (last !== undefined && last.end + 1 === span.start && last.rules === span.rules) spans[spans.length - 1] = { ...last, end: span.end };
  else spans.push(span);
}

/** What the first list has beyond the second. Both ascend. */
export function subtractSpans(from: readonly OpenSpan[], what: readonly OpenSpan[]): readonly OpenSpan[] {
  return from.flatMap((span) => {
    const rest: OpenSpan[] = [];
    let start = span.start;
    for (const { start: first, end } of what) {
      if (end < start || first > span.end) continue;
      if (first > start) rest.push({ ...span, start, end: first - 1 });
      start = end + 1;
    }
    if (start <= span.end) rest.push({ ...span, start });
    return rest;
  });
}

/** Where both lists are open, through proxies that let different requests pass. */
export function alteredSpans(before: readonly OpenSpan[], after: readonly OpenSpan[]): readonly OpenSpan[] {
  return after.flatMap((span) =>
    before.flatMap(({ start, end, rules }) => {
      const common = { ...span, start: Math.max(start, span.start), end: Math.min(end, span.end) };
      return rules !== span.rules && common.start <= common.end ? [common] : [];
    }),
  );
}

/** The spans as ranges of ports of ranges of protocols. */
export function openTraffic(spans: readonly OpenSpan[]): OpenTraffic[] {
  return spans.flatMap(({ start, end, proxy }) => {
    const parts: OpenTraffic[] = [];
    const through = proxy === undefined ? {} : { proxy };
    for (let at = start; at <= end; ) {
      const protocol = Math.floor(at / POSITIONS_PER_PROTOCOL);
      const base = protocol * POSITIONS_PER_PROTOCOL;
      const whole = at === base ? Math.floor((end + 1 - base) / POSITIONS_PER_PROTOCOL) : 0;
      const last = whole > 0 ? base + whole * POSITIONS_PER_PROTOCOL - 1 : Math.min(end, base + MAX_PORT);
      const ports = whole > 0 ? ([0, MAX_PORT] as const) : ([at - base, last - base] as const);
      parts.push({ protocols: [protocol, whole > 0 ? protocol + whole - 1 : protocol], ports, ...through });
      at = last + 1;
    }
    return parts;
  });
}

/** `everything`, `TCP 80, 443; UDP 53`, `everything but TCP 22`, `TCP 80 (http)`; `nothing` for no spans. */
export function describeSpans(spans: readonly OpenSpan[]): string {
  if (spans.length === 0) return 'nothing';
  const covered = spans.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  if (covered <= ROW_POSITIONS / 2) return listTraffic(spans);
  const missing = subtractSpans([{ start: 0, end: LAST }], spans);
  const proxied = spans.filter(({ proxy }) => proxy !== undefined);
  const parts = ['everything'];
  if (missing.length > 0) parts.push(`but ${listTraffic(missing)}`);
  if (proxied.length > 0) parts.push(proxied.length === spans.length && missing.length === 0 ? `(${proxied[0]!.proxy})` : `with ${listTraffic(proxied)}`);
  return parts.join(' ');
}

function listTraffic(spans: readonly OpenSpan[]): string {
  const byProtocols = new Map<string, string[]>();
  for (const { protocols: [first, last], ports, proxy } of openTraffic(spans)) {
    const name = first < last ? `protocols ${first}-${last}` : /^\d/.test(protocolName(first)) ? `protocol ${first}` : protocolName(first);
    const text = `${describePorts(first, ports)}${proxy === undefined ? '' : ` (${proxy})`}`.trim();
    const list = byProtocols.get(name);
    if (list === undefined) byProtocols.set(name, [text]);
    else list.push(text);
  }
  const byPorts = new Map<string, string[]>();
  for (const [name, texts] of byProtocols) {
    const ports = texts.join(', ');
    byPorts.set(ports, [...(byPorts.get(ports) ?? []), name]);
  }
  return [...byPorts].map(([ports, names]) => `${names.join('/')} ${ports}`.trim()).join('; ');
}

function describePorts(protocol: number, [first, last]: readonly [number, number]): string {
  if ((first === 0 && last === MAX_PORT) || positionMeaning(protocol) === 'none') return '';
  const range = first === last ? String(first) : `${first}-${last}`;
  return positionMeaning(protocol) === 'icmp-type' ? `type ${range}` : range;
}
