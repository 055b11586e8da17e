import { EVENT_ID, YAMLException, parseEvents } from 'js-yaml';
import { composeDocument } from './compose-document.ts';
import { MOST_DEPTH } from './composer.ts';
import { explainFault, isTemplate } from './explain-fault.ts';
import type { YamlNode } from './node.ts';
import type { DocumentRange } from './split-stream.ts';
import { skipSome } from './scan.ts';
import { splitStream } from './split-stream.ts';
import { YamlFault } from './yaml-fault.ts';

/** One document of a text: what it holds, or why it is not read. */
export type YamlDocument = { readonly root: YamlNode; /** What to add to its offsets for those in the text. */ readonly base: number } | YamlProblem;

/** Why a document is not read. */
export interface YamlProblem {
  readonly message: string;
  readonly remedy: string;
  /** Offset in the text. */
  readonly at: number;
}

/** What must not stand anywhere, quotes and comments included (5.1 of YAML's specification); a line ends with a line feed, whatever comes before that. */
const STRAY = /[\0-\x08\x0B\x0C\x0E-\x1F]|\r(?!\n)/;

/** What one parser takes for the marker of a document and another for text. */
const TABBED_MARKER = /\t(?<=\n *\t)[ \t]*(?:---|\.\.\.)(?=[ \t\r\n]|$)/;

/** The end of a document with more on its line than a comment, which the parser does not look at. */
const BEHIND_END = /(?<=\n)\.\.\.[ \t]+(?![ \t\r\n#]|$)/;

/**
 * The documents of a text: YAML 1.2, its core schema, with aliases and merge keys. Those without a value are
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
    const { message, at, remedy } = faultOf(failure, source);
    return {
      message,
      at: Math.max(base + at, range.start),
      remedy: isTemplate(source, at) ? 'fill in the template first: {{ }} is not YAML' : (remedy ?? 'correct the syntax'),
    };
  }
}

function parse(source: string): YamlNode | undefined {
  const stray = STRAY.exec(source);
  if (stray !== null) throw new YamlFault(`${describe(stray[0])} does not belong in YAML`, stray.index, stray[0] === '\0' ? 'save the file as UTF-8' : 'remove it');
  const marker = TABBED_MARKER.exec(source);
  if (marker !== null) throw new YamlFault('a tab cannot indent', marker.index, 'indent with spaces');
  const behind = BEHIND_END.exec(source);
  if (behind !== null) throw new YamlFault('nothing but a comment may stand behind the end of a document', behind.index + behind[0].length, 'begin another document with a line of ---');
  const events = parseEvents(withoutTabs(source), { maxDepth: MOST_DEPTH }).values();
  const first = events.next().value;
  if (first?.type !== EVENT_ID.DOCUMENT) return undefined;
  const other = first.directives.find((directive) => directive.kind === 'yaml' && directive.version !== '1.2');
  if (other !== undefined) throw new YamlFault('this is another version of YAML than 1.2', source.indexOf('%YAML'), 'remove the %YAML line, and write true and false for yes and no');
  return composeDocument(source, first, events);
}

/**
 * The same text at the same offsets, with spaces for the tabs that separate. js-yaml takes those of a line that holds braces or brackets
 * for indentation. What values are is read from the text itself.
 */
function withoutTabs(source: string): string {
  if (!source.includes('\t')) return source;
  const lines = source.split('\n').map((line) => {
    const first = /^[ \t]*(?:[-?:][ \t]+)*/.exec(line)![0].length;
    // What follows a dash on its line is in a column, which a tab would not tell; brackets have none.
    const from = '[{'.includes(line[first] ?? '-') ? skipSome(line, 0, ' \t') : first;
    return line.slice(0, from) + line.slice(from).replaceAll('\t', ' ');
  });
  return lines.join('\n');
}

function faultOf(failure: unknown, source: string): YamlFault {
  if (failure instanceof YAMLException) return explainFault(failure, source);
  if (failure instanceof YamlFault) return failure;
  throw failure;
}

function describe(character: string): string {
  if (character === '\r') return 'a carriage return without a line feed';
  return `the character U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
