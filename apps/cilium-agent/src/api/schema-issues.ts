import { suggest } from '@cilium-ts/core';
import { describeValue, formatFieldPath } from '@cilium-ts/manifest';
import type { FieldPath } from '@cilium-ts/manifest';
import type { z } from 'zod';
import { alternatives, choicesOf, fieldsOf, requiredOf, schemaAt } from './schema-fields.ts';

/** What is wrong with one field of a document, in the words in which the readers of YAML files say it. */
export interface SchemaIssue {
  /** Its path in the document: `backend-addresses[1].port`; empty for the document itself. */
  readonly path: FieldPath;
  /** What was expected, and what was found. */
  readonly message: string;
  readonly remedy: string;
}

type Issue = z.core.$ZodIssue;

/** Longest description of a value: a message is read by people. */
const LONGEST = 80;
/** Issues in one message. */
const SHOWN = 10;

const NOUNS: Readonly<Record<string, string>> = { string: 'a string', number: 'a number', int: 'an integer', boolean: 'a boolean', array: 'a list', object: 'an object', record: 'an object', null: 'nothing (null)' };
const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' members', map: ' fields' };

const valueAt = (value: unknown, path: FieldPath): unknown => path.reduce<unknown>((inner, part) => (typeof inner === 'object' && inner !== null && Object.hasOwn(inner, part) ? (inner as Record<string | number, unknown>)[part] : undefined), value);

const found = (value: unknown): string => {
  const text = describeValue(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
};
const noun = (expected: string): string => NOUNS[expected] ?? `a value of type ${expected}`;
const quoted = (values: readonly unknown[]): string => values.map((value) => String(value)).join(', ');

const wrongType = (path: FieldPath, value: unknown, expected: string): SchemaIssue => {
  if (value === undefined) return { path, message: path.length === 0 ? 'it is missing' : `the field ${String(path.at(-1))} is missing`, remedy: `add it as ${expected}` };
  const message = `expected ${expected}, found ${found(value)}`;
  if (value === null) return { path, message, remedy: 'give it a value or remove the field; an empty field is not the same as an absent one' };
  if (expected === 'a boolean') return { path, message, remedy: 'write true or false, without quotes' };
  if (expected === 'a string' && (typeof value === 'number' || typeof value === 'boolean')) return { path, message, remedy: `write it in quotes: "${value}"` };
  return { path, message, remedy: typeof value === 'string' && /^-?\d+$/.test(value) && /number|integer/.test(expected) ? `write it without quotes: ${value}` : `write ${expected}` };
};

const refused = (path: FieldPath, value: unknown, remedy: string): SchemaIssue => ({ path, message: `${found(value)} is not accepted`, remedy });

const wrongChoice = (path: FieldPath, value: unknown, choices: readonly unknown[]): SchemaIssue => {
  if (value === undefined) return wrongType(path, value, choices.length === 1 ? quoted(choices) : `one of ${quoted(choices)}`);
  const words = choices.map(String);
  const near = typeof value === 'string' ? (words.find((word) => word.toLowerCase() === value.toLowerCase()) ?? (value.length > 3 ? suggest(value, words) : undefined)) : undefined;
  return refused(path, value, near !== undefined && choices.length > 1 ? `did you mean ${near}? The choice is ${quoted(choices)}` : `use ${choices.length > 1 ? 'one of ' : ''}${quoted(choices)}`);
};

const unknownFields = (schema: z.ZodType, path: FieldPath, keys: readonly string[]): SchemaIssue[] => {
  const known = fieldsOf(schemaAt(schema, path));
  return keys.map((key) => {
    const near = suggest(key, known);
    return { path: [...path, key], message: `unknown field ${JSON.stringify(key)}`, remedy: near === undefined ? `remove it; the fields here are ${known.join(', ')}` : `did you mean ${near}?` };
  });
};

/** Of alternatives, what is wrong with the one that was meant: it has the fields that are there. */
const wrongAlternative = (schema: z.ZodType, whole: unknown, issue: Extract<Issue, { code: 'invalid_union' }>): SchemaIssue[] => {
  const path = issue.path as FieldPath;
  const value = valueAt(whole, path);
  const at = schemaAt(schema, path);
  if (issue.discriminator !== undefined) return [wrongChoice(path, value, choicesOf(schemaAt(schema, path.slice(0, -1)), issue.discriminator))];
  const options = alternatives(at);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const meant = options.findIndex((option) => fieldsOf(option).some((field) => Object.hasOwn(value, field)));
    const errors = issue.errors[meant];
    if (errors !== undefined) return errors.flatMap((inner) => describe(options[meant]!, value, inner).map((one) => ({ ...one, path: [...path, ...one.path] })));
    const fields = options.flatMap(requiredOf);
    if (fields.length > 0) return [{ path, message: `expected an object with one of the fields ${fields.join(', ')}, found ${Object.keys(value).length === 0 ? 'one without fields' : `one with ${Object.keys(value).join(', ')}`}`, remedy: 'give it one of them' }];
  }
  const expected = [...new Set(issue.errors.flatMap((errors) => errors.flatMap((inner) => (inner.code === 'invalid_type' && inner.path.length === 0 ? [noun(inner.expected)] : []))))];
  return [wrongType(path, value, expected.length === 0 ? 'another value' : expected.join(' or '))];
};

const outOfBounds = (path: FieldPath, value: unknown, { origin, inclusive = true }: { readonly origin: string; readonly inclusive?: boolean | undefined }, [word, bound]: readonly [string, number | bigint]): SchemaIssue =>
  refused(path, value, `use ${inclusive ? `at ${word}` : word === 'least' ? 'more than' : 'less than'} ${bound}${UNITS[origin] ?? ''}`);

/** Of a pattern, what the schema's author says that it asks for. */
const wrongForm = (path: FieldPath, value: unknown, issue: Extract<Issue, { code: 'invalid_format' }>): SchemaIssue => {
  if ('prefix' in issue) return refused(path, value, `begin it with ${JSON.stringify(issue.prefix)}`);
  return refused(path, value, issue.message.startsWith('Invalid') ? `use what matches ${issue.pattern ?? issue.format}` : `use ${issue.message}`);
};

const describe = (schema: z.ZodType, whole: unknown, issue: Issue): SchemaIssue[] => {
  const path = issue.path as FieldPath;
  const value = valueAt(whole, path);
  switch (issue.code) {
    case 'invalid_type': return [wrongType(path, value, noun(issue.expected))];
    case 'invalid_value': return [wrongChoice(path, value, issue.values)];
    case 'unrecognized_keys': return unknownFields(schema, path, issue.keys);
    case 'too_small': return [outOfBounds(path, value, issue, ['least', issue.minimum])];
    case 'too_big': return [outOfBounds(path, value, issue, ['most', issue.maximum])];
    case 'invalid_format': return [wrongForm(path, value, issue)];
    case 'invalid_union': return wrongAlternative(schema, whole, issue);
    default: return [refused(path, value, `use ${issue.message}`)];
  }
};

/** What is wrong with a value that the schema refuses, each fault at its field. */
export const schemaIssues = (schema: z.ZodType, value: unknown, error: z.ZodError): readonly SchemaIssue[] => error.issues.flatMap((issue) => describe(schema, value, issue));

/** The same as one line; `what` stands before what is said of the document itself. */
export const formatSchemaIssues = (issues: readonly SchemaIssue[], what: string): string => {
  const texts = issues.slice(0, SHOWN).map(({ path, message, remedy }) => `${path.length === 0 ? what : formatFieldPath(path)}: ${message} (${remedy})`);
  return [...texts, ...(issues.length > SHOWN ? [`and ${issues.length - SHOWN} more`] : [])].join('; ');
};
