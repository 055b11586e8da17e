import { describe, expect, it } from 'vitest';
import {
  arp, crc32c, ethernet, extension, fragment, fragmentIpv4, fragmentIpv6, icmp, icmpv6, ipv4, ipv6,
  neighbourSolicitation, packet, parsePacket, payload, sctp, tcp, udp,
} from '../../src/index.ts';

const MAC = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' };
const V4 = { source: '10.0.0.1', destination: '10.0.0.2' };
const V6 = { source: 'fd00::1', destination: 'fd00::2' };
const PORTS = { sourcePort: 40_000, destinationPort: 80 };
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('packet builder', () => {
  it('builds the IPv4 header of RFC 1071’s well-known worked example', () => {
    const built = packet(ipv4({ source: '192.168.0.1', destination: '192.168.0.199', protocol: 17, dontFragment: true }), payload(95));
    expect(hex(built.slice(0, 20))).toBe('4500007300004000' + '4011b861' + 'c0a80001' + 'c0a800c7');
  });

  it('knows CRC-32C’s check value', () => expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283));

  it.each([
    ['TCP over IPv4', [ipv4(V4), tcp({ ...PORTS, flags: ['syn', 'ack'] }), payload('odd')], { protocol: 6, ...PORTS, flags: ['syn', 'ack'] }],
    ['TCP over IPv6', [ipv6(V6), tcp({ ...PORTS, flags: ['ack'] }), payload('even')], { protocol: 6, ...PORTS, flags: ['ack'] }],
    ['UDP over IPv4 with options', [ipv4({ ...V4, options: Uint8Array.of(7, 3, 4) }), udp(PORTS), payload(9)], { protocol: 17, ...PORTS }],
    ['UDP behind extension headers', [ipv6(V6), extension('hopByHop'), extension('destinationOptions'), extension('authentication'), udp(PORTS), payload(9)], { protocol: 17, ...PORTS }],
    ['ICMP', [ipv4(V4), icmp({ type: 8, id: 7, sequence: 1 }), payload(5)], { protocol: 1, type: 8, code: 0 }],
    ['ICMPv6', [ipv6(V6), icmpv6({ type: 128, id: 7 }), payload(5)], { protocol: 58, type: 128, code: 0 }],
    ['a neighbour solicitation', [ipv6({ ...V6, hopLimit: 255 }), neighbourSolicitation({ target: 'fd00::2', linkLayer: MAC.source })], { protocol: 58, type: 135, code: 0 }],
    ['SCTP', [ipv4(V4), sctp(PORTS), payload(16)], { protocol: 132, ...PORTS }],
  ])('%s reads back as written', (_, layers, transport) => {
    const parsed = parsePacket(packet(ethernet(MAC), ...layers));
    expect(parsed.ethernet).toMatchObject(MAC);
    expect(parsed.ip).toMatchObject({ checksumValid: true, fragment: undefined, ttl: expect.any(Number) });
    expect(parsed.transport).toEqual({ ...transport, checksumValid: true });
  });

  it('reads ARP back', () => {
    const parsed = parsePacket(packet(ethernet(MAC), arp({ operation: 'request', senderMac: MAC.source, senderIp: '10.0.0.1', targetIp: '10.0.0.9' })));
    expect(parsed.arp).toEqual({ operation: 1, senderMac: MAC.source, senderIp: '10.0.0.1', targetMac: '00:00:00:00:00:00', targetIp: '10.0.0.9' });
  });

  it('tells a wrong checksum', () => {
    expect(parsePacket(packet(ethernet(MAC), ipv4(V4), tcp({ ...PORTS, checksum: 1 }))).transport?.checksumValid).toBe(false);
    expect(parsePacket(packet(ethernet(MAC), ipv4({ ...V4, checksum: 1 }), tcp(PORTS))).ip?.checksumValid).toBe(false);
  });
});

describe('fragments', () => {
  it('cover an IPv4 packet', () => {
    const parts = fragmentIpv4(packet(ethernet(MAC), ipv4(V4), udp(PORTS), payload(100)), 40, 77).map((part) => parsePacket(part));
    expect(parts.map((part) => part.ip?.fragment)).toEqual([
      { offset: 0, more: true, id: 77 },
      { offset: 40, more: true, id: 77 },
      { offset: 80, more: false, id: 77 },
    ]);
    expect(parts.every((part) => part.ip?.checksumValid)).toBe(true);
  });

  it('cover an IPv6 packet', () => {
    const parts = fragmentIpv6(packet(ethernet(MAC), ipv6(V6), udp(PORTS), payload(60)), 40, 78).map((part) => parsePacket(part));
    expect(parts.map((part) => part.ip?.fragment)).toEqual([{ offset: 0, more: true, id: 78 }, { offset: 40, more: false, id: 78 }]);
    expect(parts[0]?.transport).toMatchObject({ protocol: 17, ...PORTS });
  });

  it('can be made by hand', () => {
    const parsed = parsePacket(packet(ethernet(MAC), ipv6(V6), fragment({ id: 5, offset: 8 }), payload(8, { protocol: 17 })));
    expect(parsed.ip).toMatchObject({ protocol: 17, fragment: { offset: 8, more: false, id: 5 } });
  });
});
