import { ipFromBytes, ipToKey16 } from '@cilium-ts/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_HASH_SEED, murmur3x128, parseHashSeed, runPosition, serviceHash } from '../../src/index.ts';
import { murmur3x64, murmur3x86 } from '../helpers/reference-hash.ts';

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const port = fc.integer({ min: 0, max: 65535 });

test('murmur3x128 gives the published hashes', () => {
  const hex = (text: string): string => {
    const words = murmur3x128(new TextEncoder().encode(text), 0).map((word) => word.toString(16).padStart(8, '0'));
    return `${words[1]}${words[0]}${words[3]}${words[2]}`;
  };
  expect(hex('')).toBe('00000000000000000000000000000000');
  expect(hex('hello')).toBe('cbd8a7b341bd9b025b1e906a48ae1d19');
  expect(hex('The quick brown fox jumps over the lazy dog')).toBe('e34bbc7bbc071b6c7a433ca9c49a9347');
});

test('murmur3x128 is the function of its definition for every length and seed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), uint32, (bytes, seed) => {
      const [low1, high1, low2, high2] = murmur3x128(bytes, seed).map(BigInt) as [bigint, bigint, bigint, bigint];
      expect([low1 | (high1 << 32n), low2 | (high2 << 32n)]).toEqual(murmur3x64(bytes, seed));
    }),
  );
});

/** The 24 bytes that the kernel hashes, as lib/services.h describes them. */
function kernelBytes(client: Uint8Array, sourcePort: number, destinationPort: number, protocol: number): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  bytes.set(client);
  view.setUint16(16, sourcePort);
  view.setUint16(18, destinationPort);
  view.setUint32(20, protocol, true);
  return bytes;
}

test('serviceHash of a packet is MurmurHash3 over the client, the ports as in the packet, and the protocol', () => {
  const address = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
  fc.assert(
    fc.property(fc.record({ bytes: address, clientPort: port, to: port, protocol: fc.constantFrom(6, 17, 132), seed: uint32, affinity: fc.boolean() }), (flow) => {
      const { bytes, clientPort, to, protocol, seed, affinity } = flow;
      fc.pre(bytes.length === 4 || bytes.slice(0, 10).some((byte) => byte !== 0));
      const client = ipFromBytes(bytes);
      const expected = murmur3x86(kernelBytes(ipToKey16(client), affinity ? 0 : clientPort, to, protocol), seed);
      expect(serviceHash({ client, clientPort, port: to, protocol, affinity }, seed)).toBe(expected);
    }),
  );
});

test('serviceHash of a socket is over its cookie, with affinity over that of its network namespace', () => {
  const uint64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });
  fc.assert(
    fc.property(uint64, uint64, port, uint32, (cookie, netns, to, seed) => {
      const [plain, affine] = [new Uint8Array(16), new Uint8Array(16).fill(0xff)];
      new DataView(plain.buffer).setBigUint64(0, cookie, true);
      new DataView(affine.buffer).setBigUint64(0, netns, true);
      const flow = { client: { cookie, netns }, clientPort: 4711, port: to, protocol: 6 };
      expect(serviceHash({ ...flow, affinity: false }, seed)).toBe(murmur3x86(kernelBytes(plain, 0, to, 6), seed));
      expect(serviceHash({ ...flow, affinity: true }, seed)).toBe(murmur3x86(kernelBytes(affine, 0, to, 6), seed));
    }),
  );
});

test('runPosition scales the hash as the kernel does', () => {
  fc.assert(
    fc.property(uint32, fc.integer({ min: 1, max: 2 ** 21 }), (hash, length) => {
      expect(runPosition(hash, length)).toBe(Number((BigInt(hash) * BigInt(length)) >> 32n));
    }),
  );
});

test('parseHashSeed reads the seeds of Cilium’s setting and refuses other text', () => {
  expect(parseHashSeed(DEFAULT_HASH_SEED)).toEqual({ maglev: 0x24b7ef82, service: 0x71dcda46 });
  expect(parseHashSeed('AAAAAAAAAAAAAAAA')).toEqual({ maglev: 0, service: 0 });
  for (const text of ['', 'JLfvgnHc2kaSUFa', 'JLfvgnHc2kaSUFaI=', 'JLfvgnHc2kaSUF-I']) expect(parseHashSeed(text)).toBeUndefined();
});
