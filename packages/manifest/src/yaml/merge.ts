import type { Event } from 'js-yaml';
import { EVENT_ID, SCALAR_STYLE } from 'js-yaml';
import type { YamlEntry, YamlNode } from './node.ts';
import { YamlFault } from './yaml-fault.ts';

/** How many entries merge keys may bring into a document: each is copied, and a short text can ask for it often. */
const MOST_MERGED = 10_000;

/** Whether the key is `<<`, as YAML 1.1 had it and kubectl goes on reading it. In quotes or with a tag it is text. */
export function isMergeKey(event: Event, { value }: YamlNode): boolean {
  return value === '<<' && event.type === EVENT_ID.SCALAR && event.style === SCALAR_STYLE.PLAIN && event.tagStart < 0;
}

/**
 * Adds what a merge key brings: the entries of a map, or of several. The map's own win over those, and the first to have a key over
 * the later. Returns how many there were in the document so far.
 */
export function addMerged(entries: Map<string, YamlEntry>, { key, content }: YamlEntry, before: number): number {
  const source = content?.target ?? content;
  const maps = source?.kind === 'list' ? source.items!.map((item) => item.target ?? item) : [source];
  let merged = before;
  for (const map of maps) {
    if (map?.kind !== 'map') throw new YamlFault('<< takes a map or a list of maps', key.at, 'name the anchor of a map, such as *base');
    merged += map.entries!.size;
    if (merged > MOST_MERGED) throw new YamlFault(`merge keys bring more than ${MOST_MERGED} entries`, key.at, 'write out what they stand for');
    for (const [name, entry] of map.entries!) if (!entries.has(name)) entries.set(name, entry);
  }
  return merged;
}
