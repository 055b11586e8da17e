import type { FqdnSelector } from '../model/rule.ts';
import { canonicalFqdn, lowerAscii } from './fqdn-name.ts';

/** Decides for a name in the form of {@link canonicalFqdn}. */
export type FqdnMatcher = (name: string) => boolean;

/**
 * The meaning of a selector. In a pattern `*` is any number of the characters of a label, never a dot; more than one in a
 * row mean the same, except in front: `**.` stands for one or more whole labels. A pattern of stars alone is every name,
 * the root included. Linear in the length of name times pattern, whatever they hold: a regular expression would let
 * a name chosen by a pod cost seconds.
 */
export function fqdnMatcher(selector: FqdnSelector): FqdnMatcher {
  if ('name' in selector) {
    const wanted = canonicalFqdn(selector.name);
    return (name) => name === wanted;
  }
  const pattern = lowerAscii(selector.pattern.trim());
  if (/^\*+\.?$/.test(pattern)) return () => true;
  const labels = labelsOf(pattern.endsWith('.') ? pattern : `${pattern}.`);
  const deep = labels.length > 1 && /^\*\*+$/.test(labels[0]!);
  const globs = (deep ? labels.slice(1) : labels).map((label) => label.replace(/\*+/g, '*'));
  return (name) => {
    const parts = labelsOf(name);
    const before = parts.length - globs.length;
    if (deep ? before < 1 : before !== 0) return false;
    // From the right, where names differ.
    for (let i = globs.length - 1; i >= 0; i--) if (!globMatches(globs[i]!, parts[before + i]!)) return false;
    return true;
  };
}

/** Whether the selector chooses the name, which may be written in any case and without its final dot. */
export function matchesFqdn(selector: FqdnSelector, name: string): boolean {
  const canonical = canonicalFqdn(name);
  return canonical !== undefined && fqdnMatcher(selector)(canonical);
}

const labelsOf = (name: string): string[] => name.slice(0, -1).split('.');

/** Whether the text is the glob, whose stars stand for any characters. After a failure only the last star is tried again. */
function globMatches(glob: string, text: string): boolean {
  let g = 0;
  let star = -1;
  let resume = 0;
  for (let t = 0; t < text.length; ) {
    if (glob[g] === '*') {
      star = g++;
      resume = t;
    } else if (glob[g] === text[t]) {
      g++;
      t++;
    } else if (star >= 0) {
      g = star + 1;
      t = ++resume;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}
