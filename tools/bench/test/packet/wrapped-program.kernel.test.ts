import { describe, expect, it } from 'vitest';
import { packet, ethernet, ipv4, payload, tcp } from '@cilium-ts/testkit';
import { buildWrapper } from '../../src/build-tools.ts';
import { measureInterleaved, packetCost } from '../../src/packet/measure.ts';
import { wrapProgram } from '../../src/packet/wrapped-program.ts';

const bytes = packet(
  ethernet({ source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }),
  ipv4({ source: '10.0.0.1', destination: '10.0.0.2' }),
  tcp({ sourcePort: 10_000, destinationPort: 80 }),
  payload(new Uint8Array(16)),
);

describe('a wrapped program', () => {
  it('returns what the program under test returns', async () => {
    using noop = await wrapProgram(buildWrapper(), 'noop', { packet: bytes, ifindex: 1 });
    expect(noop.burst(10).verdict).toBe(0);
    using lookup = await wrapProgram(buildWrapper(), 'lookup', { packet: bytes, ifindex: 1, ports: 100, firstPort: 10_000 });
    expect(lookup.burst(1000).verdict).toBe(1);
  });

  it('runs under XDP too', async () => {
    using noop = await wrapProgram(buildWrapper(), 'noop', { packet: bytes, ifindex: 0, hook: 'xdp', ports: 100, firstPort: 10_000 });
    expect(noop.burst(1000).verdict).toBe(0);
  });

  it('costs more with a look-up than without', async () => {
    using empty = await wrapProgram(buildWrapper(), 'noop', { packet: bytes, ifindex: 1 });
    using program = await wrapProgram(buildWrapper(), 'lookup', { packet: bytes, ifindex: 1 });
    const pairs = await measureInterleaved([{ name: 'lookup', program, empty, verdict: 1 }], 20);
    expect(packetCost(pairs.get('lookup') ?? []).minimum).toBeGreaterThan(1);
  });

  it('refuses a packet that it could not restore', async () => {
    await expect(wrapProgram(buildWrapper(), 'noop', { packet: new Uint8Array(60), ifindex: 1 })).rejects.toThrow(RangeError);
  });
});
