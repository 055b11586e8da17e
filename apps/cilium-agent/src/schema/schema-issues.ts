import { choiceRemedy, choose, describeValue, formatFieldPath, typeRemedy, unknownField } from '@cilium-ts/manifest';
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

const wrongType = (path: FieldPath, value: unknown, expected: string): SchemaIssue => {
  if (value === undefined) return { path, message: path.length === 0 ? 'it is missing' : `the field ${String(path.at(-1))} is missing`, remedy: `add it as ${expected}` };
  const message = `expected ${expected}, found ${found(value)}`;
  const numeral = typeof value === 'string' && /^-?\d+$/.test(value) && /number|integer/.test(expected);
  return { path, message, remedy: numeral ? `write it without quotes: ${value}` : typeRemedy(expected, value) };
};

const refused = (path: FieldPath, value: unknown, remedy: string): SchemaIssue => ({ path, message: `${found(value)} is not accepted`, remedy });

const wrongChoice = (path: FieldPath, value: unknown, choices: readonly unknown[]): SchemaIssue => {
  const words = choices.map(String);
  return value === undefined ? wrongType(path, value, choose(words)) : refused(path, value, choiceRemedy(words, value));
};

const unknownFields = (schema: z.ZodType, path: FieldPath, keys: readonly string[]): SchemaIssue[] => {
  const known = fieldsOf(schemaAt(schema, path));
  return keys.map((key) => ({ path: [...path, key], ...unknownField(key, known) }));
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
