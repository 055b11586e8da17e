import { describe } from './arguments.ts';
import type { Btf } from './btf.ts';
import type { BtfType } from './btf-types.ts';

/** A value for a configuration variable: numbers and bigints for integers, booleans for `bool`, bytes for arrays and structs. */
export type ConfigValue = number | bigint | boolean | Uint8Array;

export interface VariableType {
  readonly name: string;
  readonly typeId: number;
  readonly size: number;
}

/** Converts a value to the bytes of a C variable. @throws TypeError or RangeError naming the variable, when it does not fit */
export const encodeVariable = (btf: Btf, { name, typeId, size }: VariableType, value: ConfigValue): Uint8Array => {
  if (value instanceof Uint8Array) {
    if (value.length !== size) throw new RangeError(`${name}: expected ${size} bytes, got ${value.length}`);
    return value;
  }
  const type = btf.resolve(typeId);
  if (type.kind !== 'int' && type.kind !== 'enum') throw new TypeError(`${name}: a ${type.kind} of ${size} bytes takes a Uint8Array, got ${describe(value)}`);
  if (typeof value === 'boolean' && !isBool(type)) throw new TypeError(`${name}: expected an integer, got ${value}`);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new TypeError(`${name}: expected an integer, got ${value}`);
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') throw new TypeError(`${name}: expected a number, bigint, boolean or Uint8Array, got ${describe(value)}`);
  const { min, max } = rangeOf(size, type.signed, isBool(type));
  const number = BigInt(value);
  if (number < min || number > max) throw new RangeError(`${name}: ${number} is outside ${min}..${max}`);
  return integerBytes(number, size);
};

const isBool = (type: BtfType): boolean => type.kind === 'int' && type.encoding === 'bool';

const rangeOf = (size: number, signed: boolean, bool: boolean): { min: bigint; max: bigint } => {
  const bits = BigInt(size * 8);
  if (bool) return { min: 0n, max: 1n };
  return signed ? { min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n } : { min: 0n, max: (1n << bits) - 1n };
};

const integerBytes = (value: bigint, size: number): Uint8Array => {
  const bytes = new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer);
  const bigEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;
  return bigEndian ? bytes.slice(8 - size) : bytes.slice(0, size);
};
