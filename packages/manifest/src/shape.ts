import type { Finding } from './reporter.ts';

/**
 * What a value must look like, as data: {@link checkShape} walks it. `T` is the type of a value that does; it exists
 * for the compiler alone.
 */
export interface Shape<T = unknown> {
  readonly kind: 'text' | 'integer' | 'number' | 'flag' | 'int-or-text' | 'anything' | 'one-of' | 'list' | 'map' | 'object';
  /** May be absent as a field of an object. */
  readonly optional?: boolean;
  /** May be null, as the API server writes fields without a value; then it counts as absent. */
  readonly nullable?: boolean;
  /** Lowest number, least number of members. */
  readonly min?: number;
  /** Highest number, most characters. */
  readonly max?: number;
  readonly pattern?: RegExp;
  /** What the pattern asks for, in words that follow "use". */
  readonly expected?: string;
  readonly values?: readonly string[];
  /** Of the members of a list or map. */
  readonly item?: Shape;
  /** Of an object, by name. */
  readonly fields?: Readonly<Record<string, Shape>>;
  /** Whether an object may have fields besides, which nobody looks at. */
  readonly open?: boolean;
  /** What is wrong with a value that has the shape otherwise; `name` is the field's. */
  readonly refine?: (value: never, name: string) => Finding | undefined;
  /** Never there. */
  readonly type?: T;
}

/** A shape that a field may also lack. */
export interface OptionalShape<T> extends Shape<T> {
  readonly optional: true;
}

/** The type of the values that a shape accepts. */
export type TypeOf<S> = S extends Shape<infer T> ? T : never;

type Fields = Readonly<Record<string, Shape>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends OptionalShape<unknown> ? K : never }[keyof F];
type Simplify<T> = { [K in keyof T]: T[K] };

/** The type of an object with these fields. */
export type ObjectOf<F extends Fields> = Simplify<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: TypeOf<F[K]> } & { readonly [K in OptionalKeys<F>]?: TypeOf<F[K]> | undefined }
>;

/** A string, of at most `max` characters, that matches `pattern`; `expected` says what that asks for. */
export function text(limits: { readonly max?: number; readonly pattern?: RegExp; readonly expected?: string } = {}): Shape<string> {
  return { kind: 'text', ...limits };
}

/** A whole number, both ends inclusive. */
export function integer(min?: number, max?: number): Shape<number> {
  return { kind: 'integer', ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

/** Any number. */
export const number: Shape<number> = { kind: 'number' };

/** True or false. */
export const flag: Shape<boolean> = { kind: 'flag' };

/** A whole number or a string, as Kubernetes' IntOrString. */
export const intOrText: Shape<number | string> = { kind: 'int-or-text' };

/** Whatever is there; nobody looks at it. */
export const anything: Shape<unknown> = { kind: 'anything' };

/** One of these strings. */
export function oneOf<const V extends readonly string[]>(...values: V): Shape<V[number]> {
  return { kind: 'one-of', values };
}

/** A list with so many members, both ends inclusive. */
export function listOf<T>(item: Shape<T>, min?: number, max?: number): Shape<readonly T[]> {
  return { ...(integer(min, max) as Shape<never>), kind: 'list', item };
}

/** An object with any keys. */
export function mapOf<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return { kind: 'map', item };
}

/** An object with these fields and no others. */
export function object<F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  return { kind: 'object', fields };
}

/** An object of which only these fields count. */
export function openObject<F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  return { kind: 'object', fields, open: true };
}

/** The shape with a check besides, which says what is wrong with a value. */
export function refined<T>(shape: Shape<T>, refine: (value: T, name: string) => Finding | undefined): Shape<T> {
  return { ...shape, refine };
}

/**
 * The object with exactly one of these fields (of all of its own where none are named), or, where it is `lenient`,
 * with none of them.
 */
export function choice<T>(shape: Shape<T>, { of = Object.keys(shape.fields ?? {}), lenient = false }: { readonly of?: readonly string[]; readonly lenient?: boolean } = {}): Shape<T> {
  return refined(shape, (value) => {
    const [first, second] = of.filter((name) => Object.hasOwn(value as object, name));
    if (second !== undefined) {
      return { code: 'invalid-value', message: `${first} and ${second} exclude each other`, remedy: 'keep one of them', path: [second], point: 'key' };
    }
    if (first !== undefined || lenient) return undefined;
    return { code: 'missing-field', message: `none of ${of.join(', ')} is given`, remedy: 'add one of them' };
  });
}

/** The shape, or no field at all. */
export function optional<T>(shape: Shape<T>): OptionalShape<T> {
  return { ...shape, optional: true };
}

/** The shape or null. */
export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return { ...(shape as Shape<T | null>), nullable: true };
}

/** The shape, null, or no field at all. */
export function nullable<T>(shape: Shape<T>): OptionalShape<T | null> {
  return optional(orNull(shape));
}
