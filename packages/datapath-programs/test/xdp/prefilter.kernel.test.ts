import { cidrAddress, cidrOf, parseCidr, parseIp, type Cidr } from '@cilium-ts/core';
import { arp, ethernet, ipv4, ipv6, packet, tcp, truncate, vlan, type Layer } from '@cilium-ts/testkit';
import { describe, expect, it } from 'vitest';
import { cidrs } from './prefilter-memory.ts';
import { XdpSandbox } from './sandbox.ts';

const MACS = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' };
const ip = (source: string): Layer => (parseIp(source)!.family === 4 ? ipv4({ source, destination: '10.0.0.1' }) : ipv6({ source, destination: 'fd00::1' }));
const from = (source: string, ...tags: readonly Layer[]): Uint8Array => packet(ethernet(MACS), ...tags, ip(source), tcp({ sourcePort: 1024, destinationPort: 80 }));
const PREFILTER = 242;

describe('the prefilter in the kernel', () => {
  it.each<{ what: string; frame: Uint8Array; verdict: string }>([
    { what: 'a denied address', frame: from('192.0.2.1'), verdict: 'drop' },
    { what: 'its neighbour', frame: from('192.0.2.2'), verdict: 'pass' },
    { what: 'within a denied prefix', frame: from('198.51.100.255'), verdict: 'drop' },
    { what: 'beyond it', frame: from('198.51.101.0'), verdict: 'pass' },
    { what: 'a denied IPv6 address', frame: from('2001:db8::1'), verdict: 'drop' },
    { what: 'its IPv6 neighbour', frame: from('2001:db8::2'), verdict: 'pass' },
    { what: 'within a denied IPv6 prefix', frame: from('2001:db8:1:ffff:ffff:ffff:ffff:ffff'), verdict: 'drop' },
    { what: 'beyond it, IPv6', frame: from('2001:db8:2::'), verdict: 'pass' },
    { what: 'a denied address in a VLAN', frame: from('192.0.2.1', vlan({ id: 5 })), verdict: 'drop' },
    { what: 'a denied IPv6 prefix in two VLANs', frame: from('2001:db8:1::1', vlan({ id: 5, tpid: 0x88a8 }), vlan({ id: 6 })), verdict: 'drop' },
    { what: 'ARP', frame: packet(ethernet(MACS), arp({ operation: 'request', senderMac: MACS.source, senderIp: '192.0.2.1', targetMac: MACS.destination, targetIp: '10.0.0.1' })), verdict: 'pass' },
    { what: 'a header cut short', frame: truncate(from('192.0.2.1'), 30), verdict: 'pass' },
    { what: 'an IPv6 header cut short', frame: truncate(from('2001:db8::1'), 40), verdict: 'pass' },
  ])('$what: $verdict', async ({ frame, verdict }) => {
    using sandbox = await XdpSandbox.open();
    const prefilter = await sandbox.prefilter();
    expect(sandbox.run(frame).verdict).toBe('pass');
    await prefilter.add(cidrs('192.0.2.1', '198.51.100.0/24', '2001:db8::1', '2001:db8:1::/48'));
    const outcome = sandbox.run(frame);
    expect([outcome.verdict, outcome.data]).toEqual([verdict, frame]);
    expect(sandbox.counted(PREFILTER)).toBe(verdict === 'drop' ? 1 : 0);
    await prefilter.remove(prefilter.list().cidrs);
    expect(sandbox.run(frame).verdict).toBe('pass');
    await prefilter.close();
  });

  it('a prefix that leaves uncovers the one around it at no moment', async () => {
    using sandbox = await XdpSandbox.open();
    const prefilter = await sandbox.prefilter();
    await prefilter.add(cidrs('10.0.0.0/8', '2001:db8::/32'));
    await prefilter.add(cidrs('10.1.0.0/16', '2001:db8:1::/48'));
    const verdicts = (): string[] => ['10.1.1.1', '10.2.2.2', '2001:db8:1::1', '2001:db8:2::1'].map((each) => sandbox.run(from(each)).verdict);
    expect(verdicts()).toEqual(['drop', 'drop', 'drop', 'drop']);
    await prefilter.remove(cidrs('10.1.0.0/16', '2001:db8:1::/48'));
    expect(verdicts()).toEqual(['drop', 'drop', 'drop', 'drop']);
    await prefilter.settled();
    expect(verdicts()).toEqual(['drop', 'drop', 'drop', 'drop']);
    await prefilter.remove(cidrs('10.0.0.0/8', '2001:db8::/32'));
    expect(verdicts()).toEqual(['pass', 'pass', 'pass', 'pass']);
  });

  it.each([
    { family: 4, around: '10.0.0.0/8', length: 28, single: 32 },
    { family: 6, around: '2001:db8::/32', length: 64, single: 128 },
  ])('takes 65,536 prefixes and as many addresses of IPv$family, not one more, and all of them back', async ({ around, length, single }) => {
    using sandbox = await XdpSandbox.open();
    const prefilter = await sandbox.prefilter();
    const outer = parseCidr(around)!;
    const every = (bits: number, from_: number): Cidr[] => Array.from({ length: 65_536 }, (_, i) => cidrOf(cidrAddress(outer, BigInt(from_ + i) << BigInt(single - bits)), bits));
    const prefixes = every(length, 0);
    const addresses = every(single, 1 << 21);
    expect(await prefilter.add([...prefixes, ...addresses])).toEqual({ kind: 'applied', revision: 2, changed: 131_072 });
    for (const at of [0, 1, 4095, 4096, 40_000, 65_535]) {
      expect([at, sandbox.run(from(cidrAddress(prefixes[at]!, 5n).text)).verdict, sandbox.run(from(addresses[at]!.address.text)).verdict]).toEqual([at, 'drop', 'drop']);
    }
    const beyond = cidrs(outer.family === 4 ? '11.0.0.0/8' : '2001:db9::/32', outer.family === 4 ? '192.0.2.1' : '2001:dba::1');
    expect(await prefilter.add(beyond.slice(0, 1))).toMatchObject({ kind: 'full', revision: 2, capacity: 65_536, needed: 65_537 });
    expect(await prefilter.add(beyond.slice(1))).toMatchObject({ kind: 'full', revision: 2, capacity: 65_536, needed: 65_537 });
    expect(sandbox.run(from(beyond[1]!.address.text)).verdict).toBe('pass');
    expect(await prefilter.remove([...prefixes, ...addresses])).toMatchObject({ kind: 'applied', revision: 3 });
    expect(sandbox.run(from(addresses[7]!.address.text)).verdict).toBe('pass');
    expect(await prefilter.add(beyond)).toMatchObject({ kind: 'applied', revision: 4 });
    expect([...prefilter.list().cidrs]).toHaveLength(2);
    expect(sandbox.run(from(beyond[1]!.address.text)).verdict).toBe('drop');
    // and found again, as a restarted process would
    expect((await sandbox.prefilter()).list()).toEqual(prefilter.list());
  });
});
