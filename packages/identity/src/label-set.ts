import type { Cidr } from '@cilium-ts/core';
import type { Label } from './label.ts';
import { formatLabel, labelPrefix, parseLabel } from './label.ts';

/**
 * Labels by key: a key occurs once, whatever its source. Immutable; sets with the same labels have the same `text`.
 */
export interface LabelSet extends Iterable<Label> {
  /** Canonical: the labels by ascending key, each as `source:key=value;`. What numbers are allocated by. */
  readonly text: string;
  readonly size: number;
  /** The label with that key, of whatever source. */
  get(key: string): Label | undefined;
  /** Whether there is a label of exactly that source and key. */
  has(source: string, key: string): boolean;
  /** The `cidr:` labels' prefixes. */
  readonly prefixes: readonly Cidr[];
  /** {@link formatLabel} of each, by ascending key. */
  toStrings(): string[];
}

class SortedLabels implements LabelSet {
  /** By ascending key. A set is small and there are many: a list costs a fraction of a map, and is searched as fast. */
  readonly #labels: readonly Label[];
  readonly text: string;
  #prefixes: readonly Cidr[] | undefined;

  constructor(labels: readonly Label[]) {
    this.#labels = labels;
    // Joined rather than added up: that would keep every part of every text in memory besides the text.
    const parts: string[] = [];
    for (const { source, key, value } of labels) parts.push(source, ':', key, '=', value, ';');
    this.text = parts.join('');
  }

  get size(): number {
    return this.#labels.length;
  }

  get prefixes(): readonly Cidr[] {
    this.#prefixes ??= this.#labels.map(labelPrefix).filter((prefix) => prefix !== undefined);
    return this.#prefixes;
  }

  get(key: string): Label | undefined {
    for (const label of this.#labels) if (label.key === key) return label;
    return undefined;
  }

  has(source: string, key: string): boolean {
    return this.get(key)?.source === source;
  }

  toStrings(): string[] {
    return this.#labels.map(formatLabel);
  }

  [Symbol.iterator](): Iterator<Label> {
    return this.#labels.values();
  }
}

const byKey = (a: Label, b: Label): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/**
 * The set of these labels; text is parsed by {@link parseLabel} and fails as it does. Of two labels with the same key
 * the later one stays, even where the sources differ.
 */
export function labelSet(items: Iterable<Label | string>): LabelSet {
  const labels: Label[] = [];
  for (const item of items) labels.push(typeof item === 'string' ? parseLabel(item) : item);
  // The sort is stable, so that of equal keys the last one is the one that came last.
  labels.sort(byKey);
  return new SortedLabels(labels.filter((label, index) => label.key !== labels[index + 1]?.key));
}

/** Whether both hold the same labels. */
export function equalLabelSets(a: LabelSet, b: LabelSet): boolean {
  return a.text === b.text;
}
