import type { Requirement } from '@cilium-ts/identity';
import { IdentityError, parseSelectorKey, selectorFromLabelSelector } from '@cilium-ts/identity';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';
import type { PolicyField } from '../model/issue.ts';
import { quote, refuse } from './report.ts';

// Kubernetes' qualified names and label values, after the source of a key has been cut off.
const KEY = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** How keys without a source are read, and whether keys may have one at all. */
export type KeyStyle = 'cilium' | 'kubernetes';

/** The terms of a label selector. What Kubernetes would refuse is reported, with the key or value named. */
export function translateLabelSelector(spec: LabelSelectorSpec, style: KeyStyle, field: PolicyField): readonly Requirement[] {
  for (const [key, value] of Object.entries(spec.matchLabels ?? {})) {
    const at = field.child('matchLabels', key);
    checkKey(key, style, at);
    checkValue(value, at);
  }
  (spec.matchExpressions ?? []).forEach(({ key, operator, values = [] }, index) => {
    const at = field.child('matchExpressions', index);
    checkKey(key, style, at.child('key'));
    checkOperands(operator, values, at.child('values'));
  });
  if (field.failed) return [];
  try {
    return selectorFromLabelSelector(spec, { defaultSource: style === 'cilium' ? 'any' : 'k8s' }).requirements;
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    refuse(field, error.message, 'correct the term');
    return [];
  }
}

function checkKey(key: string, style: KeyStyle, field: PolicyField): void {
  if (style === 'kubernetes' && key.includes(':')) {
    refuse(field, `the label key ${quote(key)} has a source, which only Cilium's own policies may name`, 'leave out what is before the colon', 'key');
  } else if (!KEY.test(parseSelectorKey(key, style === 'cilium' ? 'any' : 'k8s').key)) {
    refuse(field, `${quote(key)} is not a label key`, 'use [source:][dns.prefix/]name, the name of at most 63 letters, digits, "-", "_" and "."', 'key');
  }
}

function checkValue(value: string, field: PolicyField): void {
  if (VALUE.test(value)) return;
  refuse(field, `${quote(value)} is not a label value`, 'use at most 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit');
}

function checkOperands(operator: string, values: readonly string[], field: PolicyField): void {
  const needsValues = operator === 'In' || operator === 'NotIn';
  if (needsValues && values.length === 0) refuse(field, `the operator ${operator} needs values`, 'list at least one, or use Exists or DoesNotExist');
  if (!needsValues && values.length > 0) refuse(field, `the operator ${operator} takes no values`, 'remove them, or use In or NotIn');
  values.forEach((value, index) => checkValue(value, field.child(index)));
}
