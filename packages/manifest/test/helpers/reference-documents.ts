import type { Document, ParsedNode } from 'yaml';
import { LineCounter, parseAllDocuments } from 'yaml';
import type { FieldPath } from '../../src/location.ts';
import { formatFieldPath } from '../../src/location.ts';
import type { Locator, Position } from './reference-locator.ts';
import { createLocator } from './reference-locator.ts';

/** The reader as it was with `yaml`, which the one with js-yaml is held against. */

/** One object of a file: a whole YAML document, or one item of a Kubernetes List. */
export interface SourceObject {
  readonly value: unknown;
  readonly locator: Locator;
  /** `items[3]` within a List, empty otherwise. */
  readonly container: string;
}

/** Text that is not YAML. */
export interface SyntaxProblem extends Position {
  readonly message: string;
}

/** The objects and syntax errors of a text. A document with a syntax error yields no object; the others do. */
export interface SourceText {
  readonly objects: readonly SourceObject[];
  readonly problems: readonly SyntaxProblem[];
}

/** Splits multi-document YAML or JSON into objects, Lists into their items. Empty documents are skipped. */
export function readDocuments(text: string): SourceText {
  const lines = new LineCounter();
  const objects: SourceObject[] = [];
  const problems: SyntaxProblem[] = [];
  for (const document of parse(text, lines, problems)) {
    const [error] = document.errors;
    if (error !== undefined) {
      // What follows the first error is mostly its consequence.
      problems.push(problem(error.message, error.pos[0], lines));
      continue;
    }
    try {
      collect(document, lines, objects);
    } catch (failure) {
      // The only failure left is an alias bomb or an unresolved alias, which `toJS` refuses.
      problems.push(problem(failure instanceof Error ? failure.message : String(failure), document.range[0], lines));
    }
  }
  return { objects, problems };
}

function parse(text: string, lines: LineCounter, problems: SyntaxProblem[]): Document.Parsed<ParsedNode>[] {
  try {
    const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true, logLevel: 'error' });
    return Array.isArray(documents) ? documents : [];
  } catch (failure) {
    // The parser recurses, and gives up on text that is nested tens of thousands of levels deep.
    problems.push(problem(failure instanceof Error ? failure.message : String(failure), 0, lines));
    return [];
  }
}

function collect(document: Document.Parsed<ParsedNode>, lines: LineCounter, objects: SourceObject[]): void {
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (value === null || value === undefined) return;
  const at = (prefix: FieldPath, item: unknown): SourceObject => ({
    value: item,
    locator: createLocator(document, lines, prefix),
    container: formatFieldPath(prefix),
  });
  if (isList(value)) value.items.forEach((item, index) => objects.push(at(['items', index], item)));
  else objects.push(at([], value));
}

/** `kind: List`, `CiliumNetworkPolicyList` and the like, as `kubectl get -o yaml` writes them. */
function isList(value: unknown): value is { items: unknown[] } {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('items' in value)) return false;
  return typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items);
}

function problem(message: string, offset: number, lines: LineCounter): SyntaxProblem {
  const { line, col } = lines.linePos(offset);
  return { message: message.split('\n', 1)[0] ?? message, line: Math.max(line, 1), column: Math.max(col, 1) };
}
