import { describe } from './arguments.ts';
import type { Btf } from './btf.ts';
import type { BtfType } from './btf-types.ts';

/** A value for a configuration variable: numbers and bigints for integers, booleans for `bool`, bytes for arrays and structs. */
export type ConfigValue = number | bigint | boolean | Uint8Array;

/** Converts a value to the bytes of a C variable. @throws TypeError or RangeError naming the variable, when it does not fit */
export const encodeVariable = (btf: Btf, typeId: number, size: number, name: string, value: ConfigValue): Uint8Array => {
  if (value instanceof Uint8Array) {
    if (value.length !== size) throw new RangeError(`${name}: expected ${size} bytes, got ${value.length}`);
    return value;
  }
  const type = btf.resolve(typeId);
  if (type.kind !== 'int' && type.kind !== 'enum') throw new TypeError(`${name}: a ${type.kind} of ${size} bytes takes a Uint8Array, got ${describe(value)}`);
  if (typeof value === 'boolean' && !isBool(type)) throw new TypeError(`${name}: expected an integer, got ${value}`);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new TypeError(`${name}: expected an integer, got ${value}`);
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') throw new TypeError(`${name}: expected a number, bigint, boolean or Uint8Array, got ${describe(value)}`);
  return encodeInteger(BigInt(value), size, type.signed, isBool(type), name);
};

const isBool = (type: BtfType): boolean => type.kind === 'int' && type.encoding === 'bool';

const encodeInteger = (value: bigint, size: number, signed: boolean, bool: boolean, name: string): Uint8Array => {
  const bits = BigInt(size * 8);
  const min = signed ? -(1n << (bits - 1n)) : 0n;
  const max = bool ? 1n : signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  if (value < min || value > max) throw new RangeError(`${name}: ${value} is outside ${min}..${max}`);
  const bytes = new Uint8Array(size);
  const words = new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer);
  const bigEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;
  bytes.set(bigEndian ? words.subarray(8 - size) : words.subarray(0, size));
  return bytes;
};
