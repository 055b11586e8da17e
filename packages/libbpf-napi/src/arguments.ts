// Checks of what callers pass in. Misuse throws TypeError or RangeError at once, naming the argument.

/** @throws TypeError unless `value` is an integer; RangeError outside min..max */
export const checkInteger = (value: unknown, name: string, min: number, max: number): number => {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new TypeError(`${name}: expected an integer, got ${describe(value)}`);
  if (value < min || value > max) throw new RangeError(`${name}: ${value} is outside ${min}..${max}`);
  return value;
};

export const U32_MAX = 0xffff_ffff;

/** @throws TypeError unless `value` is a Uint8Array; RangeError unless it has `length` bytes */
export const checkBytes = (value: unknown, name: string, length: number): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name}: expected a Uint8Array, got ${describe(value)}`);
  if (value.length !== length) throw new RangeError(`${name}: expected ${length} bytes, got ${value.length}`);
  return value;
};

/** @throws TypeError unless `value` is a non-empty string without a NUL; RangeError over 4,095 bytes */
export const checkString = (value: unknown, name: string): string => {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name}: expected a non-empty string, got ${describe(value)}`);
  if (value.includes('\0')) throw new TypeError(`${name}: contains a NUL character`);
  if (Buffer.byteLength(value) > 4095) throw new RangeError(`${name}: longer than 4095 bytes`);
  return value;
};

/** @throws TypeError unless `value` is one of `choices` */
export const checkChoice = <T extends string>(value: T, name: string, choices: readonly T[]): T => {
  if (!choices.includes(value)) throw new TypeError(`${name}: expected ${choices.map((c) => `'${c}'`).join(' | ')}, got ${describe(value)}`);
  return value;
};

/** How an unexpected value is named in an error. */
export const describe = (value: unknown): string => {
  if (value === null) return 'null';
  if (typeof value === 'object') return value.constructor?.name ?? 'an object';
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
};
