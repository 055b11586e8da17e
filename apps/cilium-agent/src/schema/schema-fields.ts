import type { FieldPath } from '@cilium-ts/manifest';
import type { z } from 'zod';

/** What is looked at of a schema's definition, whatever its kind. */
interface Definition {
  readonly type: string;
  /** Of an optional, nullable or default. */
  readonly innerType?: z.ZodType;
  /** Of a list. */
  readonly element?: z.ZodType;
  /** Of a record. */
  readonly valueType?: z.ZodType;
  /** Of alternatives. */
  readonly options?: readonly z.ZodType[];
  /** Of an object. */
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  /** Of a literal. */
  readonly values?: readonly unknown[];
  /** Of a choice. */
  readonly entries?: Readonly<Record<string, unknown>>;
  /** Of what is transformed. */
  readonly in?: z.ZodType;
}

const definition = (schema: z.ZodType): Definition => {
  const def = schema.def as unknown as Definition;
  const inner = def.innerType ?? def.in;
  return inner === undefined ? def : definition(inner);
};

/** The schema of a field; undefined where the path leads out of it, or into alternatives. */
export const schemaAt = (schema: z.ZodType, path: FieldPath): z.ZodType | undefined => {
  let at: z.ZodType | undefined = schema;
  for (const part of path) {
    if (at === undefined) return undefined;
    const { shape, element, valueType } = definition(at);
    at = shape === undefined ? (element ?? valueType) : shape[part];
  }
  return at;
};

/** Names of the fields of an object; none for anything else. */
export const fieldsOf = (schema: z.ZodType | undefined): readonly string[] => (schema === undefined ? [] : Object.keys(definition(schema).shape ?? {}));

/** Those that have to be there. */
export const requiredOf = (schema: z.ZodType): readonly string[] => Object.entries(definition(schema).shape ?? {}).flatMap(([name, field]) => (field.safeParse(undefined).success ? [] : [name]));

/** What a value may be alternatively. */
export const alternatives = (schema: z.ZodType | undefined): readonly z.ZodType[] => (schema === undefined ? [] : (definition(schema).options ?? []));

/** The values that tell alternatives apart by a field. */
export const choicesOf = (schema: z.ZodType | undefined, field: string): readonly unknown[] =>
  alternatives(schema).flatMap((option) => {
    const at = schemaAt(option, [field]);
    if (at === undefined) return [];
    const { values, entries } = definition(at);
    return values ?? Object.values(entries ?? {});
  });
