import type { Codec } from './codec.ts';

/** Each field's codec and its offset in bytes. */
export type StructFields<T> = { readonly [K in keyof T]: readonly [codec: Codec<T[K]>, offset: number] };

/**
 * A C struct of `size` bytes, its padding included; padding is written as zero, which hash keys depend on. Throws
 * RangeError if a field does not lie within it, or two overlap.
 */
export function struct<T extends object>(fields: StructFields<T>, size: number): Codec<T> {
  const list = Object.entries(fields) as [string & keyof T, readonly [Codec<T[string & keyof T]>, number]][];
  const names = list.map(([name]) => name);
  const codecs = list.map(([, [codec]]) => codec);
  const offsets = list.map(([, [, offset]]) => offset);
  const taken = new Uint8Array(size);
  for (const [name, [codec, offset]] of list) {
    if (!Number.isInteger(offset) || offset < 0 || offset + codec.size > size) {
      throw new RangeError(`fields.${name}: bytes ${offset}–${offset + codec.size - 1} do not lie within ${size}`);
    }
    if (taken.subarray(offset, offset + codec.size).includes(1)) throw new RangeError(`fields.${name}: overlaps another`);
    taken.fill(1, offset, offset + codec.size);
  }
  const padded = taken.includes(0);
  return {
    size,
    encode(value, into, offset) {
      if (padded) new Uint8Array(into.buffer, into.byteOffset + offset, size).fill(0);
      for (let i = 0; i < names.length; i++) {
        try {
          codecs[i]!.encode(value[names[i]!], into, offset + offsets[i]!);
        } catch (error) {
          throw fieldError(names[i]!, error);
        }
      }
    },
    decode(from, offset) {
      const value = {} as T;
      for (let i = 0; i < names.length; i++) value[names[i]!] = codecs[i]!.decode(from, offset + offsets[i]!);
      return value;
    },
  };
}

/** Puts the field's name before the message, also through several levels: `cells.0.identity: …`. */
export function fieldError(name: string, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  return new RangeError(`${name}.${error.message}`.replace('.value: ', ': '), { cause: error.cause ?? error });
}

/** `count` elements, `stride` bytes apart (by default without a gap; what lies between is written as zero). */
export function array<T>(codec: Codec<T>, count: number, stride = codec.size): Codec<readonly T[]> {
  if (!Number.isInteger(count) || count < 0) throw new RangeError(`count: expected a length, got ${count}`);
  if (!Number.isInteger(stride) || stride < codec.size) {
    throw new RangeError(`stride: an element takes ${codec.size} bytes, got ${stride}`);
  }
  const size = count * stride;
  return {
    size,
    encode(value, into, offset) {
      if (value.length !== count) throw new RangeError(`value: expected ${count} elements, got ${value.length}`);
      if (stride > codec.size) new Uint8Array(into.buffer, into.byteOffset + offset, size).fill(0);
      for (let i = 0; i < count; i++) {
        try {
          codec.encode(value[i]!, into, offset + i * stride);
        } catch (error) {
          throw fieldError(String(i), error);
        }
      }
    },
    decode: (from, offset) => Array.from({ length: count }, (_, i) => codec.decode(from, offset + i * stride)),
  };
}

/** The value of a per-CPU map: one element for each of the machine's possible CPUs, in slots of whole 8 bytes. */
export function perCpu<T>(codec: Codec<T>, cpus: number): Codec<readonly T[]> {
  return array(codec, cpus, Math.ceil(codec.size / 8) * 8);
}

/** `codec` for values that another type stands for, such as branded numbers. */
export function mapped<T, U>(codec: Codec<T>, convert: { to(value: U): T; from(value: T): U }): Codec<U> {
  return {
    size: codec.size,
    encode: (value, into, offset) => codec.encode(convert.to(value), into, offset),
    decode: (from, offset) => convert.from(codec.decode(from, offset)),
  };
}
