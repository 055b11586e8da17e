import type { IpAddress } from '@cilium-ts/core';
import { errorMessage, parseIp } from '@cilium-ts/core';
import type { LabelSet } from '@cilium-ts/identity';
import { labelSet, workloadLabels } from '@cilium-ts/identity';

/** Why a record cannot be read; becomes an issue, and never leaves the questions. */
export class RecordError extends Error {
  readonly field: string;
  readonly remedy: string;

  constructor(field: string, message: string, remedy: string) {
    super(message);
    this.field = field;
    this.remedy = remedy;
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The member, unless it is missing, `null` or of another type (which throws). */
export function optionalText(object: JsonObject, key: string, path: string): string | undefined {
  const value = own(object, key);
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw new RecordError(join(path, key), 'is no text', 'write a string');
  return value;
}

export function optionalNumber(object: JsonObject, key: string, path: string): number | undefined {
  const value = own(object, key);
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) throw new RecordError(join(path, key), 'is no whole number', 'write 0 or more');
  return number;
}

export function optionalObject(object: JsonObject, key: string, path: string): JsonObject | undefined {
  const value = own(object, key);
  if (value === undefined) return undefined;
  if (!isObject(value)) throw new RecordError(join(path, key), 'is no object', 'write an object');
  return value;
}

export function optionalList(object: JsonObject, key: string, path: string): readonly unknown[] | undefined {
  const value = own(object, key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw new RecordError(join(path, key), 'is no list', 'write a list');
  return value;
}

export function optionalAddress(object: JsonObject, key: string, path: string): IpAddress | undefined {
  const text = optionalText(object, key, path);
  if (text === undefined) return undefined;
  const address = parseIp(text);
  if (address === undefined) throw new RecordError(join(path, key), `${JSON.stringify(text)} is no address`, 'write an IPv4 or IPv6 address');
  return address;
}

/** Own members only, so that no record reaches into a prototype; `null` is no value. */
export function own(object: JsonObject, key: string): unknown {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  return value === null ? undefined : value;
}

export const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

/** Labels as a list of texts, or as a map of a workload's own. Those complete already are taken as they are. */
export function readLabels(value: unknown, path: string, place: { readonly namespace?: string | undefined; readonly clusterName: string }): LabelSet {
  const texts = Array.isArray(value) ? value : isObject(value) ? Object.entries(value).map(([key, text]) => `${key}=${String(text)}`) : undefined;
  if (texts === undefined || !texts.every((text) => typeof text === 'string')) {
    throw new RecordError(path, 'are neither a list of texts nor a map', 'write ["app=web"] or {"app": "web"}');
  }
  try {
    return workloadOrReserved(texts, place);
  } catch (error) {
    throw new RecordError(path, errorMessage(error), 'write source:key=value');
  }
}

/** Labels that begin with those of an address outside (`cidr:`, `fqdn:`, `reserved:`) belong to no workload. */
function workloadOrReserved(texts: readonly string[], place: { readonly namespace?: string | undefined; readonly clusterName: string }): LabelSet {
  const outside = texts.some((text) => /^(?:reserved|cidr|cidrgroup|fqdn):/.test(text) || text.startsWith('$'));
  return outside ? labelSet(texts) : workloadLabels(texts, place);
}
