import type { Cidr } from '@cilium-ts/core';
import { cidrContains } from '@cilium-ts/core';
import { IdentityError } from './error.ts';
import type { LabelSet } from './label-set.ts';
import { parseCidrLabelKey } from './cidr-label.ts';
import { makeLabel, splitSource } from './label.ts';

/** How a label must be. `NotIn` and `DoesNotExist` are met by labels that lack the key. */
export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

/** One condition on a set of labels. Immutable. */
export interface Requirement {
  /** `any`, or the source that the label must have. */
  readonly source: string;
  readonly key: string;
  readonly operator: Operator;
  /** For `In` and `NotIn`; empty for the others. */
  readonly values: readonly string[];
}

/** Conditions that must all hold; none: every set of labels is selected. Immutable. */
export interface Selector {
  /** Canonical and readable: equal for selectors that say the same, apart from logical equivalences. */
  readonly text: string;
  readonly requirements: readonly Requirement[];
}

class CompiledSelector implements Selector {
  readonly text: string;
  readonly requirements: readonly Requirement[];
  /** Parsed keys of `cidr:` requirements, by index. */
  readonly prefixes: readonly (Cidr | undefined)[];

  constructor(text: string, requirements: readonly Requirement[]) {
    this.text = text;
    this.requirements = requirements;
    this.prefixes = requirements.map(({ source, key }) => (source === 'cidr' ? parseCidrLabelKey(key) : undefined));
  }
}

const plain = (text: string): string => (/^[\w./+:-]*$/.test(text) ? text : JSON.stringify(text));

function requirementText({ source, key, operator, values }: Requirement): string {
  const name = `${source}:${plain(key)}`;
  if (operator === 'Exists') return name;
  if (operator === 'DoesNotExist') return `!${name}`;
  if (values.length === 1) return `${name}${operator === 'In' ? '=' : '!='}${plain(values[0]!)}`;
  return `${name} ${operator === 'In' ? 'in' : 'notin'} (${values.map(plain).join(',')})`;
}

function bad(requirement: Requirement, why: string): IdentityError {
  return new IdentityError('bad-selector', `read selector term ${requirement.source}:${requirement.key}: ${why}`);
}

/** The requirement with sorted values, checked. */
function canonical(requirement: Requirement): Requirement {
  const { operator } = requirement;
  const values = [...new Set(requirement.values)].sort();
  if (requirement.key === '') throw bad(requirement, 'the key is empty');
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) throw bad(requirement, `operator ${operator} needs at least one value`);
  } else if (operator !== 'Exists' && operator !== 'DoesNotExist') {
    throw bad(requirement, `unknown operator ${JSON.stringify(operator)}; use In, NotIn, Exists or DoesNotExist`);
  } else if (values.length > 0) {
    throw bad(requirement, `operator ${operator} takes no values`);
  }
  const source = requirement.source === '' || requirement.source === 'unspec' ? 'any' : requirement.source;
  if (source === 'cidr') return { source, key: makeLabel('cidr', requirement.key).key, operator, values };
  return { source, key: requirement.key, operator, values };
}

/**
 * The selector of these requirements; an empty list selects everything. Source `unspec` or none means `any`.
 * Throws IdentityError `bad-selector` for an empty key, an unknown operator, missing or superfluous values, and
 * `bad-label` for a `cidr:` key that is no prefix.
 */
export function selector(requirements: Iterable<Requirement>): Selector {
  const byText = new Map<string, Requirement>();
  for (const requirement of requirements) {
    const checked = canonical(requirement);
    byText.set(requirementText(checked), checked);
  }
  const sorted = [...byText].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = sorted.length === 0 ? '<all>' : sorted.map(([term]) => term).join(',');
  return new CompiledSelector(
    text,
    sorted.map(([, requirement]) => requirement),
  );
}

/** A Kubernetes label selector as written. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | undefined;
  readonly matchExpressions?:
    | readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] | undefined }[]
    | undefined;
}

/**
 * Source and key of a selector's key. With `any` as default a source may be written before a colon (`k8s:app`,
 * `reserved:host`, `$host`), and a key without one matches every source. With `k8s` the whole key belongs to it.
 */
export function parseSelectorKey(key: string, defaultSource: 'any' | 'k8s'): { source: string; key: string } {
  if (defaultSource === 'k8s') return { source: 'k8s', key };
  const { source, rest } = splitSource(key, ':');
  return { source: source === '' || source === 'unspec' ? 'any' : source, key: rest };
}

/** The selector that a policy's label selector means; fails as {@link selector} does. */
export function selectorFromLabelSelector(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  options: { readonly defaultSource: 'any' | 'k8s' },
): Selector {
  const terms: Requirement[] = [];
  for (const [key, value] of Object.entries(matchLabels)) {
    terms.push({ ...parseSelectorKey(key, options.defaultSource), operator: 'In', values: [value] });
  }
  for (const { key, operator, values = [] } of matchExpressions) {
    terms.push({ ...parseSelectorKey(key, options.defaultSource), operator: operator as Operator, values });
  }
  return selector(terms);
}

/** The value of the label that the term speaks of, or `undefined` where there is none. */
function lookup(labels: LabelSet, { source, key }: Requirement, prefix: Cidr | undefined): string | undefined {
  if (source === 'cidr') {
    return prefix !== undefined && labels.prefixes.some((inner) => cidrContains(prefix, inner)) ? '' : undefined;
  }
  const label = labels.get(key);
  return label !== undefined && (source === 'any' || label.source === source) ? label.value : undefined;
}

/**
 * Whether the labels meet every requirement. A `cidr:` term is met by a label of that prefix or of any prefix inside
 * of it; a term with source `any` by a label of any source, never the other way round.
 */
export function selectorMatches(selected: Selector, labels: LabelSet): boolean {
  const compiled = selected instanceof CompiledSelector ? selected : selector(selected.requirements) as CompiledSelector;
  for (let i = 0; i < compiled.requirements.length; i++) {
    const requirement = compiled.requirements[i]!;
    const value = lookup(labels, requirement, compiled.prefixes[i]);
    let met: boolean;
    if (requirement.operator === 'Exists') met = value !== undefined;
    else if (requirement.operator === 'DoesNotExist') met = value === undefined;
    else met = (value !== undefined && requirement.values.includes(value)) === (requirement.operator === 'In');
    if (!met) return false;
  }
  return true;
}
