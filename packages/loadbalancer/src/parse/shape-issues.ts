import { suggest } from '@cilium-ts/core';
import type { z } from 'zod';
import type { FieldPath } from '../model/location.ts';
import type { Reporter } from './reporter.ts';

/** Reports what zod found wrong with the shape of an object, in the words of its author. */
export function reportShapeIssues(error: z.ZodError, schema: z.ZodType, value: unknown, reporter: Reporter): void {
  for (const issue of error.issues) {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) reportUnknown([...path, key], knownFields(schema, path), reporter);
    } else {
      reportValue(issue, path, valueAt(value, path), reporter);
    }
  }
}

function reportUnknown(path: FieldPath, known: readonly string[], reporter: Reporter): void {
  const key = String(path.at(-1));
  const near = suggest(key, known);
  reporter.field(...path).report({
    code: 'unknown-field',
    message: `unknown field ${JSON.stringify(key)}`,
    remedy: near === undefined ? `remove it; the fields here are ${known.join(', ')}` : `did you mean ${near}?`,
    point: 'key',
  });
}

type ShapeIssue = z.ZodError['issues'][number];

function reportValue(issue: ShapeIssue, path: FieldPath, actual: unknown, reporter: Reporter): void {
  if (actual === undefined) {
    const message = `the field ${String(path.at(-1))} is missing`;
    reporter.field(...path).report({ code: 'missing-field', message, remedy: `add it as ${expectation(issue)}` });
  } else if (issue.code === 'invalid_type' || issue.code === 'invalid_union') {
    const message = `expected ${expectation(issue)}, found ${describe(actual)}`;
    reporter.field(...path).report({ code: 'wrong-type', message, remedy: typeRemedy(issue, actual) });
  } else {
    const message = `${describe(actual)} is not accepted`;
    reporter.field(...path).report({ code: 'invalid-value', message, remedy: `use ${expectation(issue)}` });
  }
}

function expectation(issue: ShapeIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return withArticle(issue.expected === 'record' ? 'object' : issue.expected === 'array' ? 'list' : issue.expected);
    case 'invalid_value':
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(', ')}`;
    case 'invalid_union':
      return 'an integer or a string';
    case 'too_big':
      return `at most ${issue.maximum}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'too_small':
      return `at least ${issue.minimum}`;
    default:
      return issue.message;
  }
}

function withArticle(noun: string): string {
  const name = noun === 'int' ? 'integer' : noun;
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`;
}

function typeRemedy(issue: ShapeIssue, actual: unknown): string {
  if (actual === null) return 'give it a value or remove the field; an empty field is not the same as an absent one';
  const expectsString = issue.code === 'invalid_type' && issue.expected === 'string';
  if (expectsString && (typeof actual === 'number' || typeof actual === 'boolean')) return `write it in quotes: "${actual}"`;
  if (issue.code === 'invalid_type' && issue.expected === 'array') return 'write it as a list: one "- " item per line';
  return `write ${expectation(issue)}`;
}

function describe(value: unknown): string {
  if (value === null) return 'nothing (null)';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `the string ${JSON.stringify(value)}`;
  return `the ${typeof value} ${String(value)}`;
}

function valueAt(root: unknown, path: FieldPath): unknown {
  let current = root;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Record<string | number, unknown>)[part];
  }
  return current;
}

/** Names of the fields that the schema has at `path`. */
function knownFields(schema: z.ZodType, path: FieldPath): readonly string[] {
  let current: Definition | undefined = unwrap(schema);
  for (const part of path) {
    const next: unknown = current?.type === 'array' ? current.element : current?.shape?.[part];
    if (next === undefined) return [];
    current = unwrap(next);
  }
  return Object.keys(current?.shape ?? {});
}

interface Definition {
  readonly type: string;
  readonly shape?: Record<string | number, unknown>;
  readonly element?: unknown;
  readonly innerType?: unknown;
}

function unwrap(schema: unknown): Definition | undefined {
  let definition = (schema as { _zod?: { def?: Definition } })._zod?.def;
  while (definition?.innerType !== undefined) definition = (definition.innerType as { _zod: { def: Definition } })._zod.def;
  return definition;
}
