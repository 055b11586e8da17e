import type { Event, MappingEvent, ScalarEvent } from 'js-yaml';
import { COLLECTION_STYLE, EVENT_ID, SCALAR_STYLE } from 'js-yaml';
import type { YamlNode } from './node.ts';
import { firstOfLine, indentedByTab } from './scan.ts';
import { YamlFault } from './yaml-fault.ts';

/** What of a key may stand on its line in front of the colon (7.4 of YAML's specification, 1.2.2). */
const LONGEST_KEY = 1024;

/** One entry of a map, for {@link checkEntry}. */
export interface ReadEntry {
  readonly map: MappingEvent;
  /** Where its key begins, with tag, anchor or question mark. */
  readonly start: number;
  readonly colon: number;
  /** Whether there is a question mark in front. */
  readonly explicit: boolean;
  readonly event: Event;
  readonly content: YamlNode;
}

/** Refuses a key that is not there: what follows it belongs to something else more often than not. */
export function checkKeyEvent(event: Event, at: number): void {
  if (event.type === EVENT_ID.SCALAR && event.valueStart < 0) throw new YamlFault('a key is missing here', at);
}

/** The key of a value in an object. */
export function keyText({ value, at }: YamlNode): string {
  if (typeof value === 'object' && value !== null) throw new YamlFault('a list or a map cannot be a key here', at);
  return value === null ? '' : String(value);
}

/** Refuses what the specification does and the parser lets pass. */
export function checkEntry(source: string, { map, start, colon, explicit, event, content }: ReadEntry): void {
  if (explicit) {
    if (indentedByTab(source, colon)) throw new YamlFault('a tab cannot indent', colon, 'indent with spaces');
    return;
  }
  if (source[map.start] !== '{' && colon - start > LONGEST_KEY) throw new YamlFault(`the colon is more than ${LONGEST_KEY} characters behind the beginning of its key`, start);
  const nested = event.type === EVENT_ID.MAPPING && event.style === COLLECTION_STYLE.BLOCK;
  if (nested && !source.slice(colon, content.at).includes('\n')) throw new YamlFault('a map begins on the line below its key, or in braces', content.at);
}

/** Refuses values of a whole document about whose indentation parsers disagree. */
export function checkRoot(source: string, { at }: YamlNode, event: Event): void {
  if (event.type !== EVENT_ID.SCALAR) return;
  const start = Math.min(at, ...[event.tagStart, event.anchorStart - 1].filter((offset) => offset >= 0));
  if (indentedByTab(source, start)) throw new YamlFault('a tab cannot indent', start, 'indent with spaces');
  if (/^[|>][-+]?[1-9]/.test(source.slice(at, at + 3))) throw new YamlFault('the indentation of a text that is the whole document cannot be given', at);
}

/** Refuses plain text with a byte order mark, and such that begins its line with what only looks like indentation: it was pasted from a web page. */
export function checkPlain(source: string, text: string, at: number): void {
  const blank = (firstOfLine(source, at) && text.trim() !== '' ? /^\s|\uFEFF/ : /\uFEFF/).exec(text);
  if (blank === null) return;
  const name = blank[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  throw new YamlFault(`the character U+${name} looks like white space and is text`, at + blank.index, 'replace it by a space, or put the text in quotes');
}

/** Refuses escapes of numbers that no character has (Unicode ends at U+10FFFF), and of line breaks that parsers read differently. */
export function checkEscapes(source: string, { style, fast, valueStart, valueEnd }: ScalarEvent): void {
  if (style !== SCALAR_STYLE.DOUBLE_QUOTED || fast) return;
  for (const { 0: escape, index } of source.slice(valueStart, valueEnd).matchAll(/\\(?:U[0-9a-fA-F]{8}|\r?\n[ \t]*\r?\n|[^])/g)) {
    if (/\n/.test(escape.slice(2))) throw new YamlFault('an escaped line break is before an empty line', valueStart + index);
    if (Number.parseInt(escape.slice(2), 16) > 0x10ffff) throw new YamlFault(`${escape} stands for no character`, valueStart + index);
  }
}
