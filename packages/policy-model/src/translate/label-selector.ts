import type { Requirement } from '@cilium-ts/identity';
import { IdentityError, parseSelectorKey, selectorFromLabelSelector } from '@cilium-ts/identity';
import type { Field } from '@cilium-ts/manifest';
import type { LabelSelectorSpec } from '@cilium-ts/manifest';

// Kubernetes' qualified names and label values, after the source of a key has been cut off.
const KEY = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** How keys without a source are read, and whether keys may have one at all. */
export type KeyStyle = 'cilium' | 'kubernetes';

/** The terms of a label selector. What Kubernetes would refuse is reported, with the key or value named. */
export function translateLabelSelector(
  spec: LabelSelectorSpec,
  style: KeyStyle,
  field: Field): readonly Requirement[] {
  for (const [key, value] of Object.entries(spec.matchLabels ?? {})) {
    checkKey(key, style, field.child('matchLabels', key));
    checkValue(value, field.child('matchLabels', key));
  }
  (spec.matchExpressions ?? []).forEach((expression, index) => {
    const at = field.child('matchExpressions', index);
    checkKey(expression.key, style, at.child('key'));
    checkOperands(expression.operator, expression.values ?? [], at);
  });
  if (field.failed) return [];
  try {
    return selectorFromLabelSelector(spec, { defaultSource: style === 'cilium' ? 'any' : 'k8s' }).requirements;
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    field.report({ code: 'invalid-value', message: error.message, remedy: 'correct the term' });
    return [];
  }
}

function checkKey(key: string, style: KeyStyle, field: Field): void {
  if (style === 'kubernetes' && key.includes(':')) {
    const message = `the label key ${JSON.stringify(key)} has a source, which only Cilium's own policies may name`;
    field.report({ code: 'invalid-value', message, remedy: 'leave out what is before the colon', point: 'key' });
  } else if (!KEY.test(parseSelectorKey(key, style === 'cilium' ? 'any' : 'k8s').key)) {
    const message = `${JSON.stringify(key)} is not a label key`;
    const remedy = 'use [source:][dns.prefix/]name, the name of at most 63 letters, digits, "-", "_" and "."';
    field.report({ code: 'invalid-value', message, remedy, point: 'key' });
  }
}

function checkValue(value: string, field: Field): void {
  if (VALUE.test(value)) return;
  const message = `${JSON.stringify(value)} is not a label value`;
  const remedy = 'use at most 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit';
  field.report({ code: 'invalid-value', message, remedy });
}

function checkOperands(operator: string, values: readonly string[], field: Field): void {
  const needsValues = operator === 'In' || operator === 'NotIn';
  if (needsValues && values.length === 0) {
    const message = `the operator ${operator} needs values`;
    field.child('values').report({ code: 'invalid-value', message, remedy: 'list at least one, or use Exists or DoesNotExist' });
  }
  if (!needsValues && values.length > 0) {
    const message = `the operator ${operator} takes no values`;
    field.child('values').report({ code: 'invalid-value', message, remedy: 'remove them, or use In or NotIn' });
  }
  values.forEach((value, index) => checkValue(value, field.child('values', index)));
}
