import { parseCidr, parseIp } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressPool } from '../../src/allocate/address-pool.ts';
import { createDensePool, createNumberPool } from '../../src/allocate/number-pool.ts';

const pool = (range: string) => createAddressPool(parseCidr(range)!);

describe('createNumberPool', () => {
  it('goes round the range, so that a number given back rests', () => {
    const numbers = createNumberPool(1, 3);
    expect([numbers.take(), numbers.take()]).toEqual([1, 2]);
    numbers.release(1);
    expect([numbers.take(), numbers.take(), numbers.take()]).toEqual([3, 1, undefined]);
  });

  it('reserves what is asked for, once, and within its range', () => {
    const numbers = createNumberPool(1, 3);
    expect([numbers.reserve(2), numbers.reserve(2), numbers.reserve(4), numbers.reserve(0), numbers.reserve(1.5)]).toEqual([true, false, false, false, false]);
    expect([numbers.take(), numbers.take(), numbers.take()]).toEqual([1, 3, undefined]);
    expect(numbers.taken).toBe(3);
  });

  it('refuses a range that is none', () => { expect(() => createNumberPool(3, 1)).toThrow(RangeError); });
});

describe('createDensePool', () => {
  it('always gives the lowest free number', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.constant('take' as const), fc.nat(9))), (steps) => {
      const numbers = createDensePool(0, 9);
      const model = new Set<number>();
      for (const step of steps) {
        if (step === 'take') {
          const lowest = Array.from({ length: 10 }, (_, at) => at).find((at) => !model.has(at));
          expect(numbers.take()).toBe(lowest);
          if (lowest !== undefined) model.add(lowest);
        } else {
          numbers.release(step);
          model.delete(step);
        }
        expect(numbers.taken).toBe(model.size);
      }
    }));
  });
});

describe('createAddressPool', () => {
  it('leaves out the network and the broadcast address, and ends', () => {
    const addresses = pool('10.0.0.0/29');
    const taken = Array.from({ length: 7 }, () => addresses.take('x')?.text);
    expect(taken).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6', undefined]);
  });

  it('uses both addresses of a /31, the one of a /32, and the last of an IPv6 range', () => {
    expect([pool('10.0.0.0/31').capacity, pool('10.0.0.1/32').capacity, pool('fd00::/126').capacity]).toEqual([2n, 1n, 3n]);
  });

  it('tells who has an address, also outside of the range', () => {
    const addresses = pool('10.0.0.0/24');
    const outside = parseIp('192.0.2.1')!;
    expect(addresses.reserve(outside, 'a')).toBeUndefined();
    expect(addresses.reserve(outside, 'b')).toBe('a');
    addresses.release(outside);
    expect(addresses.ownerOf(outside)).toBeUndefined();
  });

  it('lets an address rest before it gives it out again', () => {
    const addresses = pool('10.0.0.0/24');
    const first = addresses.take('a')!;
    addresses.release(first);
    expect(addresses.take('b')?.text).not.toBe(first.text);
  });

  it('never gives one address to two', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.constant(-1), fc.nat(5))), (steps) => {
      const addresses = pool('10.0.0.0/29');
      const held: string[] = [];
      for (const step of steps) {
        if (step < 0) {
          const ip = addresses.take('x');
          if (ip) {
            expect(held).not.toContain(ip.text);
            held.push(ip.text);
          } else {
            expect(held.length).toBe(6);
          }
        } else if (held[step] !== undefined) {
          addresses.release(parseIp(held[step])!);
          held.splice(step, 1);
        }
      }
    }));
  });
});
