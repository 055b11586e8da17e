import { camel, constant, pascal, withoutCommonPrefix } from './names.mjs';

/** enums.ts: each enum as an object of numbers. */
export function emitEnums(enums) {
  return enums
    .map((type) => {
      const names = type.values.map((value) => value.name);
      return [
        `/** enum ${type.name}. */`,
        `export const ${constant(type.name)} = {`,
        ...type.values.map((value) => `  ${withoutCommonPrefix(value.name, names)}: ${value.val},`),
        '} as const;',
        `/** A value of enum ${type.name}. */`,
        `export type ${pascal(type.name)} = (typeof ${constant(type.name)})[keyof typeof ${constant(type.name)}];`,
        '',
      ].join('\n');
    })
    .join('\n');
}

/** Evaluates what these headers use: whole numbers, shifts, products, sums, parentheses, names of other constants. */
function evaluate(text, known) {
  const replaced = text
    .replace(/\/\*.*?\*\//g, '')
    .replace(/\b(0x[0-9a-fA-F]+|\d+)[uU]?[lL]{0,2}\b/g, '$1n')
    .replace(/\b[A-Z_][A-Z0-9_]*\b/g, (name) => (known.has(name) ? `${known.get(name)}n` : name))
    .trim();
  if (!/^[0-9a-fnx<>|()*+\-\s]+$/.test(replaced)) return undefined;
  return Function(`"use strict"; return (${replaced});`)();
}

/** Numeric `#define`s of the headers, in order. */
export function readDefines(headers) {
  const known = new Map();
  for (const text of headers) {
    for (const [, name, value] of text.matchAll(/^#define ([A-Z][A-Z0-9_]*) +([^\n\\]+)$/gm)) {
      const number = evaluate(value, known);
      if (number !== undefined) known.set(name, number);
    }
  }
  return known;
}

/** constants.ts: a bigint where a number would not be exact or the C constant is 64 bits wide by its use. */
export function emitConstants(defines) {
  return [...defines].map(([name, value]) => `/** ${name} of the programs' headers. */\nexport const ${name} = ${value > 0xffff_ffffn ? `${value}n` : value};\n`).join('\n');
}

/** X(NAME, code, text) lists of a header. */
export function readTexts(header) {
  return [...header.matchAll(/^\tX\((\w+), (\d+), "([^"]+)"\)/gm)].map(([, name, code, text]) => ({ name, code: Number(code), text }));
}

/** reasons.ts: code -> text, checked against the enum's BTF. */
export function emitReasons(texts, enums) {
  const codes = new Map(enums.flatMap((type) => type.values.map((value) => [value.val, value.name])));
  for (const { name, code } of texts) {
    if (!codes.get(code)?.endsWith(name)) throw new Error(`codegen: reason ${name} (${code}) is not in the object's BTF; rebuild the objects`);
  }
  return [
    '/** What each reason code means, drops and other counted outcomes alike. Codes up to 205 are Cilium’s. */',
    'export const REASON_TEXTS: Readonly<Record<number, string>> = {',
    ...texts.map(({ code, text }) => `  ${code}: '${text.replaceAll("'", '’')}',`),
    '};',
    '',
  ].join('\n');
}

/** config.ts: the load-time configuration, typed and described. */
export function emitConfig(variables, defaults) {
  const fields = variables.map((variable) => {
    const name = variable.name.replace(/^config_/, '');
    return { ...variable, field: camel(name), initial: defaults.get(name) };
  });
  return [
    '/** Load-time configuration of the programs. What is left out keeps its default. */',
    'export interface DatapathConfig {',
    ...fields.flatMap(({ field, description, initial }) => [`  /** ${description}. Default ${initial}. */`, `  readonly ${field}?: number;`]),
    '}',
    '',
    '/** One configuration variable in the objects’ read-only data. */',
    'export interface ConfigVariable {',
    '  readonly variable: string;',
    '  /** Bytes. */',
    '  readonly size: 1 | 2 | 4 | 8;',
    '  readonly initial: number;',
    '  readonly description: string;',
    '}',
    '',
    '/** Where each field of the configuration lies. */',
    'export const CONFIG_VARIABLES: Readonly<Record<keyof DatapathConfig, ConfigVariable>> = {',
    ...fields.map(({ field, name, size, initial, description }) => `  ${field}: { variable: '${name}', size: ${size}, initial: ${initial}, description: '${description.replaceAll("'", '’')}' },`),
    '};',
    '',
  ].join('\n');
}
