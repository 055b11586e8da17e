import type { Cidr } from '@cilium-ts/core';
import { cidrLabelKey, parseCidrLabelKey } from './cidr-label.ts';
import { IdentityError } from './error.ts';

/**
 * Where a label comes from. Any text is a source; these have a meaning of their own: `any` in a selector matches every
 * source, and `unspec` is what a label without a source has.
 */
export type LabelSource =
  | 'k8s'
  | 'container'
  | 'cni'
  | 'reserved'
  | 'cidr'
  | 'cidrgroup'
  | 'fqdn'
  | 'node'
  | 'directory'
  | 'unspec'
  | 'any'
  | (string & {});

/** A property of a workload or address. Immutable; `value` is empty where there is none. */
export interface Label {
  readonly source: LabelSource;
  readonly key: string;
  readonly value: string;
}

/** Splits off the source; `delimiter` is `:` in labels and `.` in the internal form of selector keys. */
export function splitSource(text: string, delimiter: ':' | '.'): { source: string; rest: string } {
  if (text.startsWith('$')) return { source: 'reserved', rest: text.slice(1) };
  const end = text.indexOf(delimiter);
  if (end >= 0) return { source: text.slice(0, end), rest: text.slice(end + 1) };
  if (delimiter === ':' && text.startsWith('reserved.')) return { source: 'reserved', rest: text.slice(9) };
  return { source: '', rest: text };
}

/**
 * Reads `source:key=value`. The first colon ends the source, wherever it stands; without one the source is `unspec`.
 * `$host`, `reserved.host` and `reserved:=host` are short for `reserved:host`. The key of a `cidr:` label is brought
 * into its canonical form (colons of IPv6 as `-`, host bits masked).
 * Throws IdentityError `bad-label` for an empty key, and for a `cidr:` label with a value or without a prefix.
 */
export function parseLabel(text: string): Label {
  const { source, rest } = splitSource(text, ':');
  const equals = rest.indexOf('=');
  if (equals < 0) return checked(source, rest, '', text);
  if (equals === 0 && source === 'reserved') return checked(source, rest.slice(1), '', text);
  return checked(source, rest.slice(0, equals), rest.slice(equals + 1), text);
}

/** The label of these parts, under the same rules as {@link parseLabel}; the key is taken as it is. */
export function makeLabel(source: LabelSource, key: string, value = ''): Label {
  return checked(source, key, value, undefined);
}

/** The texts that labels of these sources share, of which there are as many as labels otherwise. */
const SOURCES: readonly LabelSource[] = ['k8s', 'reserved', 'cidrgroup', 'fqdn', 'container', 'cni', 'node', 'directory', 'any'];

function checked(source: string, key: string, value: string, text: string | undefined): Label {
  const written = (): string => JSON.stringify(text ?? `${source}:${key}=${value}`);
  if (key === '') throw new IdentityError('bad-label', `parse label ${written()}: the key is empty`);
  if (source !== 'cidr') return { source: source === '' ? 'unspec' : (SOURCES.find((known) => known === source) ?? source), key, value };
  if (value !== '') throw new IdentityError('bad-label', `parse label ${written()}: a cidr label has no value`);
  const prefix = parseCidrLabelKey(key);
  if (prefix === undefined) {
    const remedy = 'write it as cidr:10.0.0.0/8 or cidr:fd00--0/8';
    throw new IdentityError('bad-label', `parse label ${written()}: the key is not a prefix; ${remedy}`);
  }
  return { source, key: cidrLabelKey(prefix), value };
}

/** `source:key=value`, or `source:key` where the value is empty. */
export function formatLabel(label: Label): string {
  return label.value === '' ? `${label.source}:${label.key}` : `${label.source}:${label.key}=${label.value}`;
}

/** {@link formatLabel} for people: the prefix of a `cidr:` label in its usual notation. */
export function displayLabel(label: Label): string {
  const prefix = labelPrefix(label);
  return prefix === undefined ? formatLabel(label) : `cidr:${prefix.text}`;
}

/** The prefix of a `cidr:` label; `undefined` for any other. */
export function labelPrefix(label: Label): Cidr | undefined {
  return label.source === 'cidr' ? parseCidrLabelKey(label.key) : undefined;
}
