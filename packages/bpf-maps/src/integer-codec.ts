import type { Codec } from './codec.ts';

type Read = (view: DataView, offset: number) => number;
type Write = (view: DataView, offset: number, value: number) => void;

function integer(size: 1 | 2 | 4, signed: boolean, access: { read: Read; write: Write }): Codec<number> {
  const { read, write } = access;
  const min = signed ? -(2 ** (8 * size - 1)) : 0;
  const max = min + 2 ** (8 * size) - 1;
  return {
    size,
    encode(value, into, offset) {
      if (!Number.isInteger(value) || value < min || value > max) {
        throw new RangeError(`value: expected an integer ${min}–${max}, got ${value}`);
      }
      write(into, offset, value);
    },
    decode: read,
  };
}

function bigInteger(signed: boolean, access: {
  read: (view: DataView, offset: number) => bigint;
  write: (view: DataView, offset: number, value: bigint) => void;
}): Codec<bigint> {
  const min = signed ? -(1n << 63n) : 0n;
  const max = min + (1n << 64n) - 1n;
  return {
    size: 8,
    encode(value, into, offset) {
      if (typeof value !== 'bigint' || value < min || value > max) {
        throw new RangeError(`value: expected a bigint ${min}–${max}, got ${String(value)}`);
      }
      access.write(into, offset, value);
    },
    decode: access.read,
  };
}

// Little-endian is the byte order of every machine that the datapath's objects are built for.
/** `__u8` */
export const u8 = integer(1, false, { read: (v, o) => v.getUint8(o), write: (v, o, n) => v.setUint8(o, n) });
/** `__u16`, little-endian */
export const u16 = integer(2, false, { read: (v, o) => v.getUint16(o, true), write: (v, o, n) => v.setUint16(o, n, true) });
/** `__u32`, little-endian */
export const u32 = integer(4, false, { read: (v, o) => v.getUint32(o, true), write: (v, o, n) => v.setUint32(o, n, true) });
/** `__s8` */
export const s8 = integer(1, true, { read: (v, o) => v.getInt8(o), write: (v, o, n) => v.setInt8(o, n) });
/** `__s16`, little-endian */
export const s16 = integer(2, true, { read: (v, o) => v.getInt16(o, true), write: (v, o, n) => v.setInt16(o, n, true) });
/** `__s32`, little-endian */
export const s32 = integer(4, true, { read: (v, o) => v.getInt32(o, true), write: (v, o, n) => v.setInt32(o, n, true) });
/** `__be16` */
export const be16 = integer(2, false, { read: (v, o) => v.getUint16(o), write: (v, o, n) => v.setUint16(o, n) });
/** `__be32` */
export const be32 = integer(4, false, { read: (v, o) => v.getUint32(o), write: (v, o, n) => v.setUint32(o, n) });
/** `__u64`, little-endian, without loss */
export const u64 = bigInteger(false, { read: (v, o) => v.getBigUint64(o, true), write: (v, o, n) => v.setBigUint64(o, n, true) });
/** `__s64`, little-endian, without loss */
export const s64 = bigInteger(true, { read: (v, o) => v.getBigInt64(o, true), write: (v, o, n) => v.setBigInt64(o, n, true) });
/** `__be64`, without loss */
export const be64 = bigInteger(false, { read: (v, o) => v.getBigUint64(o), write: (v, o, n) => v.setBigUint64(o, n) });

/** `__u64`, little-endian, as a number: for counters and times. Throws RangeError beyond 2^53 − 1, either way. */
export const u64Number: Codec<number> = {
  size: 8,
  encode(value, into, offset) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`value: expected an integer 0–${Number.MAX_SAFE_INTEGER}, got ${value}`);
    }
    into.setUint32(offset, value % 2 ** 32, true);
    into.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
  },
  decode(from, offset) {
    const value = from.getUint32(offset + 4, true) * 2 ** 32 + from.getUint32(offset, true);
    if (!Number.isSafeInteger(value)) throw new RangeError(`value: ${from.getBigUint64(offset, true)} is beyond 2^53`);
    return value;
  },
};
