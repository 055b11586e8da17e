import { isDeepStrictEqual } from 'node:util';
import { isAlias, isScalar, parseAllDocuments, visit } from 'yaml';
import type { FieldPath, SourceObject } from '../../src/index.ts';
import { readDocuments } from '../../src/index.ts';
import { readDocuments as readWithYaml } from './reference-documents.ts';

/** How a text fared with both readers. */
export interface Comparison {
  readonly kind: 'same' | 'both refuse' | 'stricter' | 'laxer' | 'other value' | 'other position';
  readonly detail: string;
}

/** Both readers on one text: what they accept, the values, and the place of every key and value. */
export function compareReaders(text: string): Comparison {
  const ours = readDocuments(text);
  const theirs = readWithYaml(text);
  const [fault] = ours.problems;
  const [theirFault] = theirs.problems;
  if (fault !== undefined) return { kind: theirFault === undefined ? 'stricter' : 'both refuse', detail: fault.message };
  if (theirFault !== undefined) return { kind: 'laxer', detail: theirFault.message };
  const [values, theirValues] = [ours, theirs].map(({ objects }) => objects.map(({ value }) => value));
  if (!isDeepStrictEqual(values, theirValues)) return { kind: 'other value', detail: `${JSON.stringify(values)} instead of ${JSON.stringify(theirValues)}` };
  const detail = otherPosition(ours, theirs);
  return { kind: detail === undefined ? 'same' : 'other position', detail: detail ?? '' };
}

type Objects = { readonly objects: readonly SourceObject[] };

function otherPosition(ours: Objects, theirs: Objects): string | undefined {
  for (const [index, { value, locator }] of ours.objects.entries()) {
    for (const path of paths(value)) {
      for (const point of ['key', 'value'] as const) {
        const [at, their] = [locator, theirs.objects[index]!.locator].map((one) => one.locate(path, point));
        if (!isDeepStrictEqual(at, their)) return `${point} of ${JSON.stringify(path)} at ${at!.line}:${at!.column} instead of ${their!.line}:${their!.column}`;
      }
    }
  }
  return undefined;
}

/** The paths into a value, not too many. */
function paths(value: unknown, path: FieldPath = [], found: FieldPath[] = [[]]): FieldPath[] {
  if (typeof value !== 'object' || value === null || path.length > 9) return found;
  for (const [key, member] of Object.entries(value)) {
    if (found.length > 300) break;
    const inner = [...path, Array.isArray(value) ? Number(key) : key];
    found.push(inner);
    paths(member, inner, found);
  }
  return found;
}

/**
 * What may be accepted that `yaml` refuses, or be read with another value, because the specification (YAML 1.2.2) has it so. Each is proved by taking it
 * out: without it, both readers must agree.
 */
const LAXER: readonly (readonly [name: string, pattern: RegExp, instead: string])[] = [
  // 6.5 and 6.6: a line of white space is an empty line, tabs or not; `yaml` takes some for indentation.
  ['white space on an empty line', /(?<![^\n])[ \t]*\t[ \t]*(?=\r?\n|$)/g, ''],
  // 6.6 and 6.7: comment lines are indented as one likes; `yaml` takes some for the end of what they stand in.
  ['comment line', /(?<![^\n])[ \t]*#[^\n]*(?:\n|$)/g, ''],
  // 5.2: it is not content; `yaml` counts it as a column of the first line's indentation.
  ['byte order mark', /(?<![^\n])\uFEFF/g, ''],
];

/** Refused though `yaml` accepts them, by what is said of them. */
const STRICTER: readonly (readonly [name: string, pattern: RegExp])[] = [
  // No object of Kubernetes has them, and `yaml` itself finds other owners for what follows an empty key.
  ['empty key', /^a key is missing here/],
  // They would become text such as "[ a ]".
  ['list or map as a key', /^a list or a map cannot be a key/],
  // Dates, bytes and sets, which no field can be.
  ['value that JSON does not have', /stands for a value that JSON does not have/],
  // What walks the value would not come to an end.
  ['value within itself', /a part of$/],
  // 1 and "1": the later one would win silently.
  ['two keys of one text', /occurs twice in one map/],
  // 5.1 of the specification; `yaml` lets control characters pass.
  ['control character', /does not belong in YAML|non-printable|expected valid JSON character|null byte/],
  // 1.1 has other values: yes is true there.
  ['other version', /another version of YAML|YAML directive|YAML version/],
  // `yaml` counts what is empty as nothing.
  ['many aliases of what is empty', /used too often/],
  // 8.1: what of it is text is a matter of counting spaces that nobody sees.
  ['block of white space', /nothing but white space/],
  // 7.3.1: `yaml` makes a space of it, js-yaml nothing, and the specification a line feed.
  ['empty line behind an escaped line break', /^an escaped line break/],
  // 9.1.2: at the start of a line alone they are markers.
  ['marker behind a tab', /^a tab cannot indent/],
  // Pasted from web pages: it seems to indent and does not.
  ['no-break space and the like in front of text', /looks like white space/],
  // Those of quotes and of scalars, and twice in one map.
  ['merge key', /^<< takes|^the key "<<"/],
  ['depth', /deep in each other/],
  ['indentation of a whole document', /^the indentation of a text that is/],
  // 5.6 and 6.8.2: characters that no tag has, handles that nobody declared.
  ['tag', /tag/i],
  // What the specification forbids and `yaml` reads nevertheless: keys over several lines, values beside each other, and the like.
  ['syntax', /^(?:there is a second colon|a key cannot extend|a text cannot begin|nothing is open here|something follows here|this line is indented|what began above|a bracket or a brace|a quote is not|a comma is missing|the document ended|can not read|end of the stream|unexpected end|expected|duplication|directive|name of an|unknown escape|a line break|a whitespace|a value is missing|repeat of)/],
];

/** The name of a permitted difference; `undefined` for one that is a fault. */
export function permitted(text: string, { kind, detail }: Comparison): string | undefined {
  if (kind === 'stricter') return STRICTER.find(([, pattern]) => pattern.test(detail))?.[0];
  // As in kubectl, a tag makes text of it; `yaml` looks at no tag.
  if (kind === 'other value' && /!\S*\s+<</.test(text)) return 'merge key with a tag';
  if (kind === 'laxer' || kind === 'other value') {
    let rest = text;
    const names: string[] = [];
    for (const [name, pattern, instead] of LAXER) {
      const less = rest.replace(pattern, instead);
      if (less !== rest) names.push(name);
      rest = less;
    }
    const [ours, without] = [text, rest].map((one) => readDocuments(one).objects.map(({ value }) => value));
    const agreed = kind === 'laxer' ? ['same', 'stricter'] : isDeepStrictEqual(ours, without) ? ['same'] : [];
    return names.length > 0 && agreed.includes(compareReaders(rest).kind) ? names.join(', ') : undefined;
  }
  // `yaml`'s reader does not find these by their text, or not what they bring; the place of what they are in is worse.
  return kind === 'other position' && hasUnnamedKeys(text) ? 'alias, null or merge as a key' : undefined;
}

function hasUnnamedKeys(text: string): boolean {
  let found = false;
  for (const document of parseAllDocuments(text, { logLevel: 'silent' })) {
    visit(document, { Pair: (_, { key }) => { found ||= isAlias(key) || (isScalar(key) && (key.value === null || key.value === '<<')); } });
  }
  return found;
}
