import { suggest } from '@cilium-ts/core';
import type { SourceObject, SyntaxProblem } from './documents.ts';
import { readDocuments } from './documents.ts';
import type { ManifestHeader, ManifestKind } from './header.ts';
import { readHeader } from './header.ts';
import type { Issue, ManifestIssueCode } from './issue.ts';
import type { Field, Reporter } from './reporter.ts';
import { createReporter } from './reporter.ts';

/** Which objects a reader reads, and where they are from. */
export interface ReadOptions<Kind extends string> {
  readonly kinds: Readonly<Record<Kind, ManifestKind>>;
  /** What to say of an object of another kind: `is not a policy`. */
  readonly foreign: string;
  /** Name of the file for issues. */
  readonly file?: string | undefined;
}

/** One object of a kind that is read; nothing else of it was checked. */
export interface Manifest<Kind extends string, Code extends string = ManifestIssueCode> {
  readonly kind: Kind;
  readonly header: ManifestHeader<Kind>;
  /** The object as plain JSON values. */
  readonly value: unknown;
  /** The object itself, to report what is wrong with it. */
  readonly root: Field<Code | ManifestIssueCode>;
}

/** What a text holds. */
export interface ReadManifests<T, Code extends string> {
  /** What the reader made of each object that has no issue of severity `error`. */
  readonly values: readonly T[];
  /** By line and column. */
  readonly issues: readonly Issue<Code | ManifestIssueCode>[];
}

/**
 * Reads the objects of a text of several documents and Kubernetes Lists. Syntax errors, unknown kinds and duplicates
 * are reported here, the rest by `read`, which returns `undefined` for an object of which nothing can be made.
 * Never throws for bad text.
 */
export function readManifests<T, Kind extends string, Code extends string = ManifestIssueCode>(
  text: string,
  options: ReadOptions<Kind>,
  read: (manifest: Manifest<Kind, Code>) => T | undefined,
): ReadManifests<T, Code> {
  const source = readDocuments(text);
  const values: T[] = [];
  const issues: Issue<Code | ManifestIssueCode>[] = source.problems.map((problem) => malformed(problem, options.file));
  const seen = new Set<string>();
  for (const object of source.objects) {
    const { value, reporter } = readObject(object, { options, read, seen });
    if (value !== undefined && !reporter.failed) values.push(value);
    issues.push(...reporter.issues);
  }
  return { values, issues: issues.sort((a, b) => a.line - b.line || a.column - b.column) };
}

interface ReadContext<T, Kind extends string, Code extends string> {
  readonly options: ReadOptions<Kind>;
  readonly read: (manifest: Manifest<Kind, Code>) => T | undefined;
  /** Keys of the objects so far. */
  readonly seen: Set<string>;
}

function readObject<T, Kind extends string, Code extends string>(
  object: SourceObject,
  { options, read, seen }: ReadContext<T, Kind, Code>,
): { value: T | undefined; reporter: Reporter<Code | ManifestIssueCode> } {
  const header = readHeader(object.value, options.kinds);
  const reporter = createReporter<Code | ManifestIssueCode>(object.locator, options.file, header.key);
  const { kind, key } = header;
  if (kind === undefined) {
    reportKind(header.kindText, options, reporter);
    return { value: undefined, reporter };
  }
  const value = read({ kind, header, value: object.value, root: reporter.field() });
  if (key !== undefined && seen.has(key)) {
    reporter.field('metadata', 'name').report({ code: 'duplicate', message: `${key} occurs twice in this text`, remedy: 'rename one of them' });
  }
  if (key !== undefined) seen.add(key);
  return { value, reporter };
}

function malformed({ message, remedy, line, column }: SyntaxProblem, file: string | undefined): Issue {
  return {
    ...(file === undefined ? {} : { file }),
    line,
    column,
    field: '',
    severity: 'error',
    code: 'malformed',
    message: `the text is not valid YAML or JSON: ${message}`,
    remedy: `${remedy}; no object of this document is read until then`,
  };
}

function reportKind(kind: string | undefined, options: ReadOptions<string>, reporter: Reporter<string>): void {
  const kinds = Object.keys(options.kinds);
  const near = kind === undefined ? undefined : suggest(kind, kinds);
  reporter.field(...(kind === undefined ? [] : ['kind'])).report({
    code: 'unknown-kind',
    message: kind === undefined ? 'this is not a Kubernetes object: it has no kind' : `${kind} ${options.foreign}`,
    remedy: near === undefined ? `only ${kinds.join(', ')} and Lists of them are read` : `did you mean ${near}?`,
  });
}
