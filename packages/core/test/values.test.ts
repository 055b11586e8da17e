import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CiliumError, compareBytes, concatBytes, equalBytes, errorCode, errorMessage, macFromBytes, maskBits, parseHex, parseMac, sameBits, silentLogger, toHex } from '../src/index.ts';

describe('bytes', () => {
  it('round-trips hexadecimal, as Buffer does it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(parseHex(toHex(bytes).toUpperCase())).toEqual(bytes);
      }),
    );
    expect(parseHex('abc')).toBeUndefined();
    expect(parseHex('0g')).toBeUndefined();
    expect(parseHex('')).toEqual(new Uint8Array());
  });

  it('compares as Buffer does', () => {
    const short = fc.uint8Array({ maxLength: 3, max: 2 });
    fc.assert(
      fc.property(short, short, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(concatBytes(a, b)).toEqual(new Uint8Array(Buffer.concat([a, b])));
      }),
    );
  });

  it('masks and compares by bits, as the binary text does', () => {
    const four = fc.uint8Array({ minLength: 4, maxLength: 4 });
    const binary = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
    fc.assert(
      fc.property(four, four, fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 31 }), (a, other, bits, flip) => {
        expect(binary(maskBits(a, bits))).toBe(binary(a).slice(0, bits).padEnd(32, '0'));
        const close = a.slice();
        close[flip >> 3]! ^= 0x80 >> (flip & 7);
        for (const b of [other, close, a]) expect(sameBits(a, b, bits)).toBe(binary(a).slice(0, bits) === binary(b).slice(0, bits));
      }),
    );
  });
});

describe('MAC addresses', () => {
  it('have one canonical form', () => {
    expect(parseMac('0A:00:fF:01:02:03')?.text).toBe('0a:00:ff:01:02:03');
    expect(parseMac('0a:00:ff:01:02:03')?.bytes).toEqual(Uint8Array.of(10, 0, 255, 1, 2, 3));
    expect(macFromBytes(new Uint8Array(6)).text).toBe('00:00:00:00:00:00');
  });

  it.each(['', '0a:00:ff:01:02', '0a:00:ff:01:02:03:04', '0a-00-ff-01-02-03', 'a:0:f:1:2:3', '0g:00:ff:01:02:03'])('refuse %j', (text) => {
    expect(parseMac(text)).toBeUndefined();
  });

  it('have six bytes', () => {
    expect(() => macFromBytes(new Uint8Array(5))).toThrow(RangeError);
  });
});

describe('CiliumError', () => {
  class ExampleError extends CiliumError<'a' | 'b'> {}

  it('carries code, cause and name', () => {
    const cause = new Error('deeper\n  down');
    const error = new ExampleError('a', 'read the file', { cause });
    expect(error).toMatchObject({ code: 'a', cause, name: 'ExampleError', message: 'read the file' });
    expect(error).toBeInstanceOf(Error);
    expect(errorCode(error)).toBe('a');
    expect(errorMessage(error)).toBe('read the file: deeper down');
    expect('cause' in new ExampleError('b', 'x')).toBe(false);
  });

  it('reads whatever was thrown', () => {
    expect(errorCode('text')).toBeUndefined();
    expect(errorCode(null)).toBeUndefined();
    expect(errorCode({ code: 7 })).toBeUndefined();
    expect(errorMessage('text')).toBe('text');
    const loop = new Error('loop');
    loop.cause = loop;
    expect(errorMessage(loop)).toBe('loop');
  });
});

describe('silentLogger', () => {
  it('is a logger all the way down', () => {
    const child = silentLogger.child({ a: 1 });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) expect(child[level]({}, 'x')).toBeUndefined();
  });
});
