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
  readonly #labels: ReadonlyMap<string, Label>;
  readonly text: string;
  #prefixes: readonly Cidr[] | undefined;

  /** Takes a map whose insertion order is the order of its keys. */
  constructor(labels: ReadonlyMap<string, Label>) {
    this.#labels = labels;
    let text = '';
    for (const { source, key, value } of labels.values()) text += `${source}:${key}=${value};`;
    this.text = text;
  }

  get size(): number {
    return this.#labels.size;
  }

  get prefixes(): readonly Cidr[] {
    this.#prefixes ??= Array.from(this, labelPrefix).filter((prefix) => prefix !== undefined);
    return this.#prefixes;
  }

  get(key: string): Label | undefined {
    return this.#labels.get(key);
  }

  has(source: string, key: string): boolean {
    return this.#labels.get(key)?.source === source;
  }

  toStrings(): string[] {
    return Array.from(this, formatLabel);
  }

  [Symbol.iterator](): Iterator<Label> {
    return this.#labels.values();
  }
}

/**
 * The set of these labels; text is parsed by {@link parseLabel} and fails as it does. Of two labels with the same key
 * the later one stays, even where the sources differ.
 */
export function labelSet(items: Iterable<Label | string>): LabelSet {
  const labels = new Map<string, Label>();
  let sorted = true;
  let last = '';
  for (const item of items) {
    const label = typeof item === 'string' ? parseLabel(item) : item;
    sorted &&= label.key >= last;
    last = label.key;
    labels.set(label.key, label);
  }
  if (sorted) return new SortedLabels(labels);
  return new SortedLabels(new Map([...labels].sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** Whether both hold the same labels. */
export function equalLabelSets(a: LabelSet, b: LabelSet): boolean {
  return a.text === b.text;
}
