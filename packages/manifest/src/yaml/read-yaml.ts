import { EVENT_ID, YAMLException, parseEvents } from 'js-yaml';
import { composeDocument } from './compose-document.ts';
import { MOST_DEPTH, TOO_DEEP } from './composer.ts';
import type { YamlNode } from './node.ts';
import type { DocumentRange } from './split-stream.ts';
import { splitStream } from './split-stream.ts';
import { YamlFault } from './yaml-fault.ts';

/** One document of a text: what it holds, or why it is not read. */
export type YamlDocument = { readonly root: YamlNode; /** What to add to its offsets for those in the text. */ readonly base: number } | YamlProblem;

/** Why a document is not read. */
export interface YamlProblem {
  readonly message: string;
  /** Offset in the text. */
  readonly at: number;
}

/** Neither white space nor what YAML calls printable; a line ends with a line feed, whatever comes before that. */
const STRAY = /[^\t\n\r -~\u0085\u00A0-\uFEFE\uFF00-\uFFFD]|\r(?!\n)/;

/** What one parser takes for the marker of a document and another for text. */
const TABBED_MARKER = /\t(?<=\n *\t)[ \t]*(?:---|\.\.\.)(?=[ \t\r\n]|$)/;

/** The end of a document with more on its line than a comment, which the parser does not look at. */
const BEHIND_END = /(?<=\n)\.\.\.[ \t]+(?![ \t\r\n#]|$)/;

/**
 * The documents of a text: YAML 1.2, its core schema, with aliases and without merge keys. Those without a value are
 * left out. Never throws for bad text.
 */
export function readYaml(text: string): YamlDocument[] {
  return splitStream(text).flatMap((range) => readDocument(text, range) ?? []);
}

function readDocument(text: string, range: DocumentRange): YamlDocument | undefined {
  const start = text[range.start] === '\uFEFF' ? range.start + 1 : range.start;
  // An empty line in front: the parser counts the indentation of every line but the first.
  const source = `\n${text.slice(start, range.end)}`;
  const base = start - 1;
  try {
    const root = parse(source);
    return root && { root, base };
  } catch (failure) {
    const { message, at } = problemOf(failure);
    return { message, at: Math.max(base + at, range.start) };
  }
}

function parse(source: string): YamlNode | undefined {
  const stray = STRAY.exec(source);
  if (stray !== null) throw new YamlFault(`${describe(stray[0])} does not belong in YAML`, stray.index);
  const marker = TABBED_MARKER.exec(source);
  if (marker !== null) throw new YamlFault('a tab cannot indent', marker.index);
  const behind = BEHIND_END.exec(source);
  if (behind !== null) throw new YamlFault('nothing but a comment may stand behind the end of a document', behind.index + behind[0].length);
  const events = parseEvents(source, { maxDepth: MOST_DEPTH }).values();
  const first = events.next().value;
  if (first?.type !== EVENT_ID.DOCUMENT) return undefined;
  const other = first.directives.find((directive) => directive.kind === 'yaml' && directive.version !== '1.2');
  if (other !== undefined) throw new YamlFault('this is another version of YAML than 1.2', source.indexOf('%YAML'));
  return composeDocument(source, first, events);
}

function problemOf(failure: unknown): YamlProblem {
  if (failure instanceof YamlFault) return failure;
  if (!(failure instanceof YAMLException)) throw failure;
  const { reason, mark } = failure;
  return { message: reason.startsWith('nesting exceeded') ? TOO_DEEP : reason, at: mark?.position ?? 0 };
}

function describe(character: string): string {
  if (character === '\r') return 'a carriage return without a line feed';
  return `the character U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
