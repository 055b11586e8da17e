import type { YAMLException } from 'js-yaml';
import { TOO_DEEP } from './composer.ts';
import { YamlFault } from './yaml-fault.ts';

const CUT_KEY = 'the line above lacks a colon with a space behind it';

/** What js-yaml says, what we say instead (if that is clearer), and what to do. */
const REASONS: readonly (readonly [reason: RegExp, message: string | undefined, remedy: string])[] = [
  [/^nesting exceeded/, TOO_DEEP, 'make it flatter'],
  [/^tab characters/, 'a tab cannot indent', 'indent with spaces'],
  [/^can not read a block mapping entry; a multiline key/, 'a key cannot extend over several lines', CUT_KEY],
  [/^deficient indentation/, 'what began above does not end, or this line is not indented enough', 'close the quote or bracket above, or indent this line with spaces'],
  [/^unexpected end of the stream within a flow/, 'a bracket or a brace is not closed', 'close it'],
  [/^unexpected end of the stream within a (?:single|double)/, 'a quote is not closed', 'close it'],
  [/^missed comma/, 'a comma is missing here', 'write one between two members'],
  [/^end of the stream or a document separator/, 'the document ended above', 'begin another one with a line of ---'],
  [/^unknown escape/, undefined, 'write two backslashes for one, or use single quotes'],
];

/** A fault that js-yaml found, in words that name the cause where there is a most likely one. */
export function explainFault({ reason, mark }: YAMLException, source: string): YamlFault {
  const at = mark?.position ?? 0;
  if (reason === 'bad indentation of a mapping entry') return explainStray(source, at);
  const [, message, remedy] = REASONS.find(([pattern]) => pattern.test(reason)) ?? [];
  return new YamlFault(message ?? reason, at, remedy);
}

/** Of whatever follows a value on its line, js-yaml says that it is indented badly. */
function explainStray(source: string, at: number): YamlFault {
  const character = source[at] ?? '';
  const before = source.slice(source.lastIndexOf('\n', at - 1) + 1, at);
  if (character === ':' && /:\s/.test(before)) return new YamlFault('there is a second colon in this line', at, 'put the text that holds it in quotes');
  if (character === ':' && before.trim() !== '') return new YamlFault('a key cannot extend over several lines', at, CUT_KEY);
  if ('@`%'.includes(character)) return new YamlFault(`a text cannot begin with ${character}`, at, 'put it in quotes');
  if (']}'.includes(character)) return new YamlFault(`nothing is open here that ${character} could close`, at, 'remove it, or put the text in quotes');
  if (before.trim() !== '') return new YamlFault('something follows here that does not belong to the value', at, 'put the whole value in quotes, or begin a new line');
  return new YamlFault('this line is indented otherwise than what it belongs to', at, 'indent it as far as its neighbours');
}

/** Whether the line is one of a template, which is no YAML before somebody fills it in. */
export function isTemplate(source: string, at: number): boolean {
  const end = source.indexOf('\n', at);
  return source.slice(source.lastIndexOf('\n', at - 1) + 1, end < 0 ? undefined : end).includes('{{');
}
