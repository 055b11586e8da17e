import type { DocumentDirective } from 'js-yaml';
import { YamlFault } from './yaml-fault.ts';

const STANDARD = 'tag:yaml.org,2002:';

/** Tags of YAML's that stand for values which JSON does not have. */
const UNREADABLE: readonly string[] = ['binary', 'merge', 'omap', 'pairs', 'set', 'timestamp'];

/** A tag that decides what a scalar is. Those of an application's own decide nothing: their scalars are text. */
export type ScalarTag = 'str' | 'int' | 'float' | 'bool' | 'null';

const SCALARS: readonly string[] = ['int', 'float', 'bool', 'null'] satisfies ScalarTag[];

/** What the tag says of a scalar. Throws a {@link YamlFault} for tags that cannot be read, of whatever they stand at. */
export function readTag(tag: string, directives: readonly DocumentDirective[], at: number): ScalarTag {
  const full = tag.startsWith('!<') ? tag.slice(2, -1) : expand(tag, directives, at);
  if (full === '!' && tag !== '!') throw new YamlFault(`${tag} is not a tag`, at);
  const name = full.startsWith(STANDARD) ? full.slice(STANDARD.length) : '';
  if (UNREADABLE.includes(name)) throw new YamlFault(`the tag ${tag} stands for a value that JSON does not have`, at);
  return SCALARS.includes(name) ? (name as ScalarTag) : 'str';
}

function expand(tag: string, directives: readonly DocumentDirective[], at: number): string {
  const handle = /^!(?:[0-9A-Za-z-]*!)?/.exec(tag)![0];
  const suffix = tag.slice(handle.length);
  if (suffix === '' && handle !== '!') throw new YamlFault(`the tag ${tag} lacks a name`, at);
  const declared = directives.find((directive) => directive.kind === 'tag' && directive.handle === handle);
  const prefix = declared?.kind === 'tag' ? declared.prefix : handle === '!!' ? STANDARD : handle;
  try {
    return prefix + decodeURIComponent(suffix);
  } catch {
    throw new YamlFault(`the tag ${tag} has an escape that stands for no character`, at);
  }
}
