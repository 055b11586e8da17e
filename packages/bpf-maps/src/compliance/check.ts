import { errorCode, errorMessage } from '@cilium-ts/core';

/** Throws unless both have the same JSON form (`undefined` is told apart). */
export function same(actual: unknown, expected: unknown, what: string): void {
  const write = (value: unknown): string => (value === undefined ? 'undefined' : JSON.stringify(plain(value)));
  if (write(actual) !== write(expected)) throw new Error(`${what}: expected ${write(expected)}, got ${write(actual)}`);
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  return Array.isArray(value) ? value.map(plain) : value;
}

/** Throws unless `action` throws an error with that code. */
export function failsWith(code: string, action: () => unknown, what: string): void {
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    if (errorCode(error) === code) return;
    throw new Error(`${what}: expected code ${code}, got ${errorCode(error)} (${errorMessage(error)})`, { cause: error });
  }
  throw new Error(`${what}: expected code ${code}, but it succeeded with ${String(result)}`);
}

/** Throws unless `action` throws a RangeError. */
export function refuses(action: () => unknown, what: string): void {
  try {
    action();
  } catch (error) {
    if (error instanceof RangeError) return;
    throw new Error(`${what}: expected a RangeError, got ${errorMessage(error)}`, { cause: error });
  }
  throw new Error(`${what}: expected a RangeError, but it succeeded`);
}

/** `value` as a little-endian number of `size` bytes. */
export function num(value: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** The number that {@link num} wrote. */
export function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** The same numbers for the same seed, each below `limit`: so that a failure can be repeated. */
export function pseudoRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    // Numerical Recipes' linear congruential generator; the upper bits are the better ones.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
