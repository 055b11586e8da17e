import type { AliasEvent, DocumentEvent, Event, MappingEvent, ScalarEvent, SequenceEvent } from 'js-yaml';
import { COLLECTION_STYLE, EVENT_ID, SCALAR_STYLE, getScalarValue } from 'js-yaml';
import { checkEntry, checkEscapes, checkKeyEvent, checkPlain, checkRoot, keyText } from './checks.ts';
import type { Composer } from './composer.ts';
import { createComposer, heightOver, readProperties } from './composer.ts';
import { addMerged, isMergeKey } from './merge.ts';
import type { YamlEntry, YamlNode } from './node.ts';
import { resolveScalar } from './scalar.ts';
import { endsIndicator, indentedByTab, skipSeparation, skipSome } from './scan.ts';
import { YamlFault } from './yaml-fault.ts';

/** The tree of a document from the events of its parser. Throws a {@link YamlFault} for what these let pass and must not. */
export function composeDocument(source: string, document: DocumentEvent, events: Iterator<Event>): YamlNode {
  const composer = createComposer(source, document, events);
  if (document.explicitStart) {
    const marker = source.search(/(?<=\n)---(?=[ \t\r\n]|$)/);
    if (marker < 0) throw new YamlFault('the --- in front of a document is at the start of a line', 0);
    composer.cursor = marker + 3;
  }
  const event = composer.next();
  const root = compose(composer, event);
  checkRoot(source, root, event);
  // The parser was given one document, and an end of it that it does not agree with would hide what comes after.
  if (composer.next().type !== EVENT_ID.POP || events.next().done !== true) throw new YamlFault('this is more than one document', root.at);
  return root;
}

function compose(composer: Composer, event: Event): YamlNode {
  switch (event.type) {
    case EVENT_ID.SCALAR:
      return composeScalar(composer, event);
    case EVENT_ID.SEQUENCE:
      return composeList(composer, event);
    case EVENT_ID.MAPPING:
      return composeMap(composer, event);
    case EVENT_ID.ALIAS:
      return composeAlias(composer, event);
    default:
      throw new YamlFault('a value is missing', composer.cursor);
  }
}

function composeScalar(composer: Composer, event: ScalarEvent): YamlNode {
  const { source } = composer;
  const { style, valueStart, valueEnd } = event;
  const { tag, close } = readProperties(composer, event);
  checkEscapes(source, event);
  const text = getScalarValue(source, event);
  if (style === SCALAR_STYLE.PLAIN) checkPlain(source, text, valueStart);
  const value = style === SCALAR_STYLE.PLAIN || tag !== undefined ? resolveScalar(text, tag) : text;
  const quotes = style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
  const block = style === SCALAR_STYLE.LITERAL_BLOCK || style === SCALAR_STYLE.FOLDED_BLOCK;
  let at = valueStart - quotes;
  // The events say where a block's text begins, not its header; of what is empty they say nothing.
  if (valueStart < 0) at = skipSome(source, composer.cursor, ' \t');
  else if (block) at = skipSeparation(source, composer.cursor);
  if (block && (/^\s*[ \t]\s*$/.test(text) || (/^[|>][-+]?[1-9]/.test(source.slice(at, at + 3)) && /^[ \t]+$/m.test(text)))) throw new YamlFault('a block of text has a line of nothing but white space', at);
  composer.cursor = Math.max(at, valueEnd + quotes);
  const node: YamlNode = { kind: 'scalar', at, value, height: 0 };
  close(node);
  return node;
}

function composeAlias(composer: Composer, { anchorStart, anchorEnd }: AliasEvent): YamlNode {
  const at = anchorStart - 1;
  const target = composer.anchors.use(composer.source.slice(anchorStart, anchorEnd), at);
  composer.cursor = anchorEnd;
  return { kind: 'alias', at, target, value: target.value, height: target.height };
}

function composeList(composer: Composer, event: SequenceEvent): YamlNode {
  const { close } = readProperties(composer, event);
  const items: YamlNode[] = [];
  composer.cursor = event.start;
  for (let inner = composer.next(); inner.type !== EVENT_ID.POP; inner = composer.next()) {
    // Behind the bracket, the comma or the dash.
    composer.cursor = skipSeparation(composer.source, composer.cursor) + 1;
    items.push(compose(composer, inner));
  }
  skipEnd(composer, event);
  const node: YamlNode = { kind: 'list', at: event.start, items, value: items.map(({ value }) => value), height: heightOver(items, event.start) };
  close(node);
  return node;
}

function composeMap(composer: Composer, event: MappingEvent): YamlNode {
  const { close } = readProperties(composer, event);
  const entries = new Map<string, YamlEntry>();
  let first: YamlNode | undefined;
  let merge: YamlEntry | undefined;
  composer.cursor = event.start;
  for (let inner = composer.next(); inner.type !== EVENT_ID.POP; inner = composer.next()) {
    const entry = composeEntry(composer, event, inner);
    const { key } = entry;
    const name = keyText(key);
    const merges = isMergeKey(inner, key);
    if (merges ? merge !== undefined : entries.has(name)) throw new YamlFault(`the key ${JSON.stringify(name)} occurs twice in one map`, key.at, 'remove one of them');
    if (merges) merge = entry;
    else entries.set(name, entry);
    first ??= key;
  }
  skipEnd(composer, event);
  if (merge !== undefined) composer.merged = addMerged(entries, merge, composer.merged);
  // Of a block, tag and anchor at its beginning are the first key's.
  const at = first !== undefined && '!&'.includes(composer.source[event.start]!) ? first.at : event.start;
  const members = [...entries.values()].flatMap(({ content }) => content ?? []);
  const node: YamlNode = { kind: 'map', at, entries, value: objectOf(entries), height: heightOver(members, at) };
  close(node);
  return node;
}

function objectOf(entries: ReadonlyMap<string, YamlEntry>): object {
  const object = {};
  for (const [name, { content }] of entries) {
    // Not assigned: a key may be __proto__.
    Object.defineProperty(object, name, { value: content === undefined ? null : content.value, configurable: true, enumerable: true, writable: true });
  }
  return object;
}

function composeEntry(composer: Composer, map: MappingEvent, event: Event): YamlEntry {
  const { source } = composer;
  let start = skipSeparation(source, composer.cursor);
  // Behind the brace or the comma.
  if (source[map.start] === '{') start = skipSeparation(source, start + 1);
  const explicit = source[start] === '?' && endsIndicator(source[start + 1]);
  if (explicit && map.style === COLLECTION_STYLE.BLOCK && indentedByTab(source, start)) throw new YamlFault('a tab cannot indent', start, 'indent with spaces');
  composer.cursor = explicit ? start + 1 : start;
  checkKeyEvent(event, composer.cursor);
  const key = compose(composer, event);
  const colon = skipSeparation(source, composer.cursor);
  const valued = source[colon] === ':' && (map.style === COLLECTION_STYLE.FLOW || endsIndicator(source[colon + 1]));
  if (valued) composer.cursor = colon + 1;
  const second = composer.next();
  const content = compose(composer, second);
  if (valued) checkEntry(source, { map, start, colon, explicit, event: second, content });
  return { key, content: valued ? content : undefined };
}

/** Moves the cursor behind the bracket or brace that ends a list or map, if it has one. */
function skipEnd(composer: Composer, { style, start }: SequenceEvent | MappingEvent): void {
  const { source } = composer;
  const end = { '[': ']', '{': '}' }[source[start]!];
  if (style !== COLLECTION_STYLE.FLOW || end === undefined) return;
  let at = skipSeparation(source, composer.cursor === start ? start + 1 : composer.cursor);
  if (source[at] === ',') at = skipSeparation(source, at + 1);
  if (source[at] === end) composer.cursor = at + 1;
}
