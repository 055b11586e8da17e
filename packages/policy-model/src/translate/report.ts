import { suggest } from '@cilium-ts/core';
import type { PolicyField } from '../model/issue.ts';

/** Reports a value that makes no sense; at the name of its field where it is its being there that is wrong. */
export function refuse(field: PolicyField, message: string, remedy: string, point: 'key' | 'value' = 'value'): undefined {
  field.report({ code: 'invalid-value', message, remedy, point });
}

/** Reports something that must be there. */
export function missing(field: PolicyField, message: string, remedy: string): undefined {
  field.report({ code: 'missing-field', message, remedy });
}

/** Reports what is accepted, and most likely not meant. */
export function suspect(field: PolicyField, message: string, remedy: string): undefined {
  field.report({ code: 'suspicious', severity: 'warning', message, remedy, point: 'key' });
}

/** Asks whether the nearest of the candidates was meant, or says something else where none is near. */
export function didYouMean(word: string, candidates: Iterable<string>, otherwise: string): string {
  const near = suggest(word, candidates);
  return near === undefined ? otherwise : `did you mean ${near}?`;
}

/** The value as JSON, in a message. */
export const quote = (value: unknown): string => JSON.stringify(value);
