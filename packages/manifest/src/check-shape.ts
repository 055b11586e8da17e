import type { Field } from './reporter.ts';
import type { Shape } from './shape.ts';
import { choiceRemedy, choose, describeValue, typeRemedy, unknownField } from './wording.ts';

/**
 * Whether the value has the shape. Whatever is wrong, in however many places, is reported with the field it is wrong
 * at, in the words of the object's author; for a misspelling with what was most likely meant.
 */
export function checkShape<T>(shape: Shape<T>, value: unknown, field: Field): value is T {
  return check(shape, value, field, '');
}

function check(shape: Shape, value: unknown, field: Field, name: string): boolean {
  if (value === undefined) {
    if (shape.optional) return true;
    field.report({ code: 'missing-field', message: `the field ${name} is missing`, remedy: `add it as ${expectation(shape, value)}` });
    return false;
  }
  if (value === null && shape.nullable) return true;
  if (!hasType(shape, value)) {
    const message = `expected ${expectation(shape, value)}, found ${describeValue(value)}`;
    field.report({ code: 'wrong-type', message, remedy: value !== null && shape.kind === 'list' ? 'write it as a list: one "- " item per line' : typeRemedy(expectation(shape, value), value) });
    return false;
  }
  const wrong = outOfBounds(shape, value);
  if (wrong !== undefined) {
    field.report({ code: 'invalid-value', message: `${describeValue(value)}${Array.isArray(value) ? ` of ${value.length}` : ''} is not accepted`, remedy: wrong });
    return false;
  }
  const good = checkMembers(shape, value, field);
  // What is misspelled is not missing.
  const finding = good ? shape.refine?.(value as never, name) : undefined;
  if (finding !== undefined) field.report(finding);
  return good && (finding === undefined || finding.severity === 'warning');
}

function checkMembers(shape: Shape, value: unknown, field: Field): boolean {
  const { item, fields } = shape;
  let good = true;
  const member = (inner: Shape, name: string | number, content: unknown): void => {
    if (!check(inner, content, field.child(name), String(name))) good = false;
  };
  if (fields !== undefined) {
    const object = value as Record<string, unknown>;
    for (const [name, inner] of Object.entries(fields)) {
      const content = Object.hasOwn(object, name) ? object[name] : undefined;
      // Most fields are absent: nothing is made for them.
      if (content !== undefined || !inner.optional) member(inner, name, content);
    }
    for (const name of shape.open ? [] : Object.keys(object)) {
      if (Object.hasOwn(fields, name)) continue;
      field.child(name).report({ code: 'unknown-field', ...unknownField(name, Object.keys(fields)), point: 'key' });
      good = false;
    }
  } else if (item !== undefined) {
    const entries = Array.isArray(value) ? value.entries() : Object.entries(value as object);
    for (const [name, content] of entries) member(item, name, content);
  }
  return good;
}

function hasType({ kind }: Shape, value: unknown): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'integer':
      return Number.isSafeInteger(value);
    case 'number':
      return Number.isFinite(value);
    case 'flag':
      return typeof value === 'boolean';
    case 'int-or-text':
      return typeof value === 'string' || Number.isSafeInteger(value);
    case 'list':
      return Array.isArray(value);
    case 'anything':
    case 'one-of':
      // Of a choice it is the value that is wrong, whatever its type.
      return true;
    default:
      return typeof value === 'object' && value !== null && !Array.isArray(value);
  }
}

/** What to use instead, for a value of the right type. */
function outOfBounds({ kind, values, min, max, pattern, expected }: Shape, value: unknown): string | undefined {
  if (values !== undefined) {
    if (values.includes(value as string)) return undefined;
    return choiceRemedy(values, value);
  }
  const size = typeof value === 'number' ? value : ((value as { length?: number } | null)?.length ?? 0);
  if (min !== undefined && size < min) return `use at least ${min}${unit(kind)}`;
  if (max !== undefined && size > max) return `use at most ${max}${unit(kind)}`;
  return pattern === undefined || pattern.test(value as string) ? undefined : `use ${expected}`;
}

const unit = (kind: Shape['kind']): string => (kind === 'text' ? ' characters' : kind === 'list' ? ' members' : '');

const NOUNS: Readonly<Record<Shape['kind'], string>> = {
  text: 'a string',
  integer: 'an integer',
  number: 'a number',
  flag: 'a boolean',
  'int-or-text': 'an integer or a string',
  anything: 'anything',
  'one-of': '',
  list: 'a list',
  map: 'an object',
  object: 'an object',
};

function expectation({ kind, values, expected }: Shape, value: unknown): string {
  if (values !== undefined) return choose(values);
  // Of something else altogether that it is no number matters before that it is no whole one.
  if (kind === 'integer' && value !== undefined && typeof value !== 'number') return NOUNS.number;
  return value === undefined && expected !== undefined ? `${NOUNS[kind]}: ${expected}` : NOUNS[kind];
}
