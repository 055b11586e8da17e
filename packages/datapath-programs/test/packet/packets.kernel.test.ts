import { DROP_REASON } from '@cilium-ts/datapath-layout';
import {
  arp, ethernet, extension, fragment, fragmentIpv4, fragmentIpv6, icmp, icmpv6, ipv4, ipv6, multicastListenerReport, neighbourAdvertisement,
  neighbourSolicitation, packet, parsePacket, payload, routerAdvertisement, routerSolicitation, tcp, udp, vlan, type Layer,
} from '@cilium-ts/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { A, B, datagram, echo, FAMILIES, frame, fromPod, HOST, IDENTITY, ip, REMOTE, segment, toPod, WORLD } from './frames.ts';
import { ALLOW, DENY, device, OPEN, Sandbox, UPLINK, type Outcome, type Policy, type Row } from './sandbox.ts';

interface Case {
  readonly what: string;
  readonly packet: Uint8Array;
  readonly verdict: Outcome['verdict'];
  readonly reason?: keyof typeof DROP_REASON;
  /** For `to`: the device it came in by; default the uplink. */
  readonly by?: number;
}

const GATEWAY6 = 'fe80::fe';
const OTHER_MAC = '02:00:00:00:09:09';
const mac = { source: A.mac, destination: A.hostMac };
const back = { source: A.hostMac, destination: A.mac };
const body = datagram(1000, 2000);
const from4 = (fields: Partial<Parameters<typeof ipv4>[0]>, ...layers: readonly Layer[]): Uint8Array =>
  packet(ethernet(mac), ipv4({ source: A.ipv4, destination: B.ipv4, ...fields }), ...layers);
const from6 = (fields: Partial<Parameters<typeof ipv6>[0]>, ...layers: readonly Layer[]): Uint8Array =>
  packet(ethernet(mac), ipv6({ source: A.ipv6, destination: B.ipv6, ...fields }), ...layers);
/** Overwrites the source (22) or destination (38) of an IPv6 packet with an IPv4-mapped address. */
const mapped = (bytes: Uint8Array, at: 22 | 38): Uint8Array => {
  bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2], at);
  return bytes;
};
const options = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const nd = (source: string, destination: string, hopLimit: number, layer: Layer): Uint8Array => from6({ source, destination, hopLimit }, layer);

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await Sandbox.open();
  await sandbox.addPod(A);
  await sandbox.addPod(B);
  for (const family of [4, 6] as const) {
    sandbox.addRemote(`${HOST[family]}/${family === 4 ? 32 : 128}`, IDENTITY.host, 1);
    sandbox.addRemote(`${REMOTE[family]}/${family === 4 ? 24 : 64}`, IDENTITY.remote);
  }
});
afterAll(() => sandbox.close());
beforeEach(() => {
  sandbox.setPolicy(A, OPEN);
  sandbox.setPolicy(B, OPEN);
  sandbox.clearFlows();
});

const expected = ({ verdict, reason }: Case): object => (reason === undefined ? { verdict } : { verdict, reason: DROP_REASON[reason] });
const fromTable = (name: string, cases: readonly Case[]): void => {
  describe(name, () => {
    test.each(cases)('$what: $verdict $reason', (each) => expect(sandbox.from(A, each.packet)).toMatchObject(expected(each)));
  });
};
const toTable = (name: string, cases: readonly Case[]): void => {
  describe(name, () => {
    test.each(cases)('$what: $verdict $reason', (each) => expect(sandbox.to(A, each.packet, each.by ?? UPLINK)).toMatchObject(expected(each)));
  });
};

fromTable('source check of what leaves a pod', [
  { what: 'another IPv4 source', packet: from4({ source: '10.0.0.9' }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'another pod\'s IPv4 source', packet: from4({ source: B.ipv4 }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'the node\'s IPv4 source', packet: from4({ source: HOST[4] }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'no IPv4 source', packet: from4({ source: '0.0.0.0' }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'another IPv6 source', packet: from6({ source: 'fd00::9' }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'another pod\'s IPv6 source', packet: from6({ source: B.ipv6 }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'no IPv6 source', packet: from6({ source: '::' }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'a link-local source', packet: from6({ source: 'fe80::1' }, body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'an IPv4-mapped source', packet: mapped(from6({}, body), 22), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'an IPv4-mapped destination', packet: mapped(from6({}, body), 38), verdict: 'drop', reason: 'UNKNOWN_TARGET' },
  { what: 'another MAC', packet: frame(4, [A.ipv4, B.ipv4], [body], { mac: OTHER_MAC }), verdict: 'drop', reason: 'INVALID_SOURCE_MAC' },
  { what: 'another MAC under IPv6', packet: frame(6, [A.ipv6, B.ipv6], [body], { mac: OTHER_MAC }), verdict: 'drop', reason: 'INVALID_SOURCE_MAC' },
  { what: 'unicast IPv4 in a broadcast frame', packet: frame(4, [A.ipv4, B.ipv4], [body], { gateway: 'ff:ff:ff:ff:ff:ff' }), verdict: 'drop', reason: 'INVALID_DESTINATION_MAC' },
  { what: 'unicast IPv6 in a multicast frame', packet: frame(6, [A.ipv6, B.ipv6], [body], { gateway: '33:33:00:00:00:01' }), verdict: 'drop', reason: 'INVALID_DESTINATION_MAC' },
]);

fromTable('malformed and unusual packets', [
  { what: 'a VLAN tag', packet: packet(ethernet(mac), vlan({ id: 5 }), ipv4({ source: A.ipv4, destination: B.ipv4 }), body), verdict: 'drop', reason: 'VLAN_FILTERED' },
  { what: 'an 802.1ad tag', packet: packet(ethernet(mac), vlan({ id: 5, tpid: 0x88a8 }), ipv4({ source: A.ipv4, destination: B.ipv4 }), body), verdict: 'drop', reason: 'VLAN_FILTERED' },
  { what: 'another EtherType', packet: packet(ethernet({ ...mac, etherType: 0x88cc }), payload(60)), verdict: 'drop', reason: 'UNSUPPORTED_L3' },
  { what: 'a UDP header cut short', packet: from4({}, body).slice(0, 40), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'a TCP header cut short', packet: from4({ totalLength: 30 }, segment(1, 2, 'syn')), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'a TCP header beyond the packet', packet: from4({}, tcp({ sourcePort: 1, destinationPort: 2, headerWords: 15 })), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'a TCP header too short to be one', packet: from4({}, tcp({ sourcePort: 1, destinationPort: 2, headerWords: 4 })), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'SYN with FIN', packet: from4({}, segment(1, 2, 'syn', 'fin')), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'SYN with RST', packet: from6({}, segment(1, 2, 'syn', 'rst')), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'IP version 5', packet: from4({ version: 5 }, body), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'IPv4 version under the IPv6 EtherType', packet: from6({ version: 4 }, body), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'an IPv4 header of 16 bytes', packet: from4({ headerWords: 4 }, body), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'a total length below the header', packet: from4({ totalLength: 12 }, body), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'a total length beyond the packet', packet: from4({ totalLength: 1000 }, body), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'an IPv6 length beyond the packet', packet: from6({ payloadLength: 1000 }, body), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'an IPv6 length of nothing', packet: from6({ payloadLength: 0 }, body), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'padding behind the packet', packet: packet(ethernet(mac), ipv4({ source: A.ipv4, destination: B.ipv4, totalLength: 28 }), body, payload(18)), verdict: 'redirect' },
  { what: 'ICMPv6 in IPv4', packet: from4({ protocol: 58 }, icmpv6({ type: 128 })), verdict: 'drop', reason: 'UNKNOWN_L4' },
  { what: 'ICMPv4 in IPv6', packet: from6({ nextHeader: 1 }, icmp({ type: 8 })), verdict: 'drop', reason: 'UNKNOWN_L4' },
  { what: 'an ICMP redirect', packet: from4({}, icmp({ type: 5 }), payload(28)), verdict: 'drop', reason: 'UNKNOWN_ICMP4_TYPE' },
  { what: 'an unknown ICMPv6 error', packet: from6({}, icmpv6({ type: 100 }), payload(48)), verdict: 'drop', reason: 'UNKNOWN_ICMP6_TYPE' },
  { what: 'another protocol, by protocol alone', packet: from4({ protocol: 47 }, payload(8)), verdict: 'redirect' },
  { what: 'options that do no harm, by way of the stack', packet: from4({ options: options(1, 7, 7, 4, 0, 0, 0, 0) }, body), verdict: 'pass' },
  { what: 'a loose source route', packet: from4({ options: options(131, 7, 4, 10, 0, 0, 9) }, body), verdict: 'drop', reason: 'IP_OPTIONS' },
  { what: 'a strict source route behind other options', packet: from4({ options: options(1, 1, 1, 137, 7, 4, 10, 0, 0, 9) }, body), verdict: 'drop', reason: 'IP_OPTIONS' },
  { what: 'an option of no length', packet: from4({ options: options(7, 0, 0, 0) }, body), verdict: 'drop', reason: 'IP_OPTIONS' },
  { what: 'an option that does not end', packet: from4({ options: options(7, 40, 4, 0) }, body), verdict: 'drop', reason: 'IP_OPTIONS' },
  { what: 'forty bytes of no operation', packet: from4({ options: new Uint8Array(40).fill(1) }, body), verdict: 'pass' },
]);

fromTable('IPv6 extension headers', [
  { what: 'hop-by-hop and destination options', packet: from6({}, extension('hopByHop'), extension('destinationOptions'), body), verdict: 'redirect' },
  { what: 'hop-by-hop that is not first', packet: from6({}, extension('destinationOptions'), extension('hopByHop'), body), verdict: 'drop', reason: 'INVALID_EXTENSION_HEADER' },
  { what: 'a spent routing header', packet: from6({}, extension('routing'), body), verdict: 'redirect' },
  { what: 'a routing header with somewhere to go', packet: from6({}, extension('routing', { body: options(0, 1, 0, 0, 0, 0) }), body), verdict: 'drop', reason: 'INVALID_EXTENSION_HEADER' },
  { what: 'an authentication header', packet: from6({}, extension('authentication'), body), verdict: 'redirect' },
  { what: 'a mobility header', packet: from6({}, extension('mobility'), body), verdict: 'drop', reason: 'INVALID_EXTENSION_HEADER' },
  { what: 'no next header', packet: from6({ nextHeader: 59 }), verdict: 'drop', reason: 'INVALID_EXTENSION_HEADER' },
  { what: 'too many headers', packet: from6({}, ...Array.from({ length: 9 }, () => extension('destinationOptions')), body), verdict: 'drop', reason: 'INVALID_EXTENSION_HEADER' },
  { what: 'a header longer than the packet', packet: from6({}, extension('destinationOptions', { length: 40 }), body), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'a chain cut short', packet: from6({}, extension('destinationOptions')), verdict: 'drop', reason: 'INVALID_EXTENSION_HEADER' },
  { what: 'an atomic fragment', packet: from6({}, fragment({ id: 1 }), body), verdict: 'redirect' },
  { what: 'two fragment headers', packet: from6({}, fragment({ id: 1, moreFragments: true }), fragment({ id: 1, moreFragments: true }), body), verdict: 'drop', reason: 'INVALID_EXTENSION_HEADER' },
]);

fromTable('the link of a pod', [
  { what: 'an ARP request', packet: packet(ethernet({ ...mac, destination: 'ff:ff:ff:ff:ff:ff' }), arp({ operation: 'request', senderMac: A.mac, senderIp: A.ipv4, targetIp: HOST[4] })), verdict: 'pass' },
  { what: 'an ARP reply', packet: packet(ethernet(mac), arp({ operation: 'reply', senderMac: A.mac, senderIp: A.ipv4, targetIp: HOST[4] })), verdict: 'pass' },
  { what: 'an ARP claim of another address', packet: packet(ethernet(mac), arp({ operation: 'reply', senderMac: A.mac, senderIp: B.ipv4, targetIp: HOST[4] })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'an ARP claim of the gateway', packet: packet(ethernet(mac), arp({ operation: 'request', senderMac: A.mac, senderIp: HOST[4], targetIp: HOST[4] })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'an ARP claim with another MAC', packet: packet(ethernet(mac), arp({ operation: 'reply', senderMac: OTHER_MAC, senderIp: A.ipv4, targetIp: HOST[4] })), verdict: 'drop', reason: 'INVALID_SOURCE_MAC' },
  { what: 'an ARP probe for the own address', packet: packet(ethernet(mac), arp({ operation: 'request', senderMac: A.mac, senderIp: '0.0.0.0', targetIp: A.ipv4 })), verdict: 'pass' },
  { what: 'an ARP probe for another address', packet: packet(ethernet(mac), arp({ operation: 'request', senderMac: A.mac, senderIp: '0.0.0.0', targetIp: HOST[4] })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'another ARP operation', packet: packet(ethernet(mac), arp({ operation: 3, senderMac: A.mac, senderIp: A.ipv4, targetIp: HOST[4] })), verdict: 'drop', reason: 'INVALID_PACKET' },
  { what: 'ARP cut short', packet: packet(ethernet(mac), arp({ operation: 'request', senderMac: A.mac, senderIp: A.ipv4, targetIp: HOST[4] })).slice(0, 38), verdict: 'drop', reason: 'TRUNCATED' },
  { what: 'a neighbour solicitation', packet: nd(A.ipv6, 'ff02::1:ff00:fe', 255, neighbourSolicitation({ target: GATEWAY6, linkLayer: A.mac })), verdict: 'pass' },
  { what: 'a solicitation from the link-local address', packet: nd('fe80::1', GATEWAY6, 255, neighbourSolicitation({ target: GATEWAY6, linkLayer: A.mac })), verdict: 'pass' },
  { what: 'a solicitation with another MAC', packet: nd(A.ipv6, GATEWAY6, 255, neighbourSolicitation({ target: GATEWAY6, linkLayer: OTHER_MAC })), verdict: 'drop', reason: 'INVALID_SOURCE_MAC' },
  { what: 'a solicitation from another address', packet: nd(B.ipv6, GATEWAY6, 255, neighbourSolicitation({ target: GATEWAY6, linkLayer: A.mac })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'a solicitation from afar', packet: nd(A.ipv6, GATEWAY6, 64, neighbourSolicitation({ target: GATEWAY6, linkLayer: A.mac })), verdict: 'drop', reason: 'FORBIDDEN_ICMP6' },
  { what: 'a solicitation for a group', packet: nd(A.ipv6, GATEWAY6, 255, neighbourSolicitation({ target: 'ff02::1', linkLayer: A.mac })), verdict: 'drop', reason: 'FORBIDDEN_ICMP6' },
  { what: 'duplicate address detection', packet: nd('::', 'ff02::1:ff00:1', 255, neighbourSolicitation({ target: A.ipv6 })), verdict: 'drop', reason: 'MULTICAST_HANDLED' },
  { what: 'an advertisement of the own address', packet: nd(A.ipv6, GATEWAY6, 255, neighbourAdvertisement({ target: A.ipv6, linkLayer: A.mac })), verdict: 'pass' },
  { what: 'an advertisement of the own link-local address', packet: nd('fe80::1', GATEWAY6, 255, neighbourAdvertisement({ target: 'fe80::1', linkLayer: A.mac })), verdict: 'pass' },
  { what: 'an advertisement of another address', packet: nd(A.ipv6, GATEWAY6, 255, neighbourAdvertisement({ target: B.ipv6, linkLayer: A.mac })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'an advertisement of the gateway', packet: nd('fe80::1', 'ff02::1', 255, neighbourAdvertisement({ target: GATEWAY6, linkLayer: A.mac })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'an advertisement with another MAC', packet: nd(A.ipv6, GATEWAY6, 255, neighbourAdvertisement({ target: A.ipv6, linkLayer: OTHER_MAC })), verdict: 'drop', reason: 'INVALID_SOURCE_MAC' },
  { what: 'an unspecified advertisement', packet: nd('::', 'ff02::1', 255, neighbourAdvertisement({ target: A.ipv6, linkLayer: A.mac })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'a router advertisement', packet: nd('fe80::1', 'ff02::1', 255, routerAdvertisement()), verdict: 'drop', reason: 'FORBIDDEN_ICMP6' },
  { what: 'a router solicitation', packet: nd('fe80::1', 'ff02::2', 255, routerSolicitation()), verdict: 'drop', reason: 'MULTICAST_HANDLED' },
  { what: 'a redirect', packet: nd('fe80::1', A.ipv6, 255, icmpv6({ type: 137 })), verdict: 'drop', reason: 'FORBIDDEN_ICMP6' },
  { what: 'a listener report', packet: from6({ source: 'fe80::1', destination: 'ff02::16', hopLimit: 1 }, extension('hopByHop'), multicastListenerReport('ff02::fb')), verdict: 'drop', reason: 'MULTICAST_HANDLED' },
  { what: 'IPv6 multicast', packet: from6({ destination: 'ff02::fb' }, datagram(5353, 5353)), verdict: 'drop', reason: 'MULTICAST_HANDLED' },
  { what: 'IPv4 multicast', packet: from4({ destination: '224.0.0.251' }, datagram(5353, 5353)), verdict: 'drop', reason: 'MULTICAST_HANDLED' },
  { what: 'a DHCP request', packet: from4({ source: '0.0.0.0', destination: '255.255.255.255' }, udp({ sourcePort: 68, destinationPort: 67 })), verdict: 'drop', reason: 'BROADCAST_HANDLED' },
  { what: 'IPv4 loopback', packet: from4({ destination: '127.0.0.1' }, body), verdict: 'drop', reason: 'UNKNOWN_TARGET' },
  { what: 'IPv4 nowhere', packet: from4({ destination: '0.0.0.0' }, body), verdict: 'drop', reason: 'UNKNOWN_TARGET' },
  { what: 'reserved IPv4', packet: from4({ destination: '240.0.0.1' }, body), verdict: 'drop', reason: 'UNKNOWN_TARGET' },
  { what: 'IPv6 loopback', packet: from6({ destination: '::1' }, body), verdict: 'drop', reason: 'UNKNOWN_TARGET' },
  { what: 'IPv6 nowhere', packet: from6({ destination: '::' }, body), verdict: 'drop', reason: 'UNKNOWN_TARGET' },
]);

toTable('what the stack delivers', [
  ...FAMILIES.flatMap(({ family }): Case[] => [
    { what: `IPv${family} from the world`, packet: toPod(A, family, WORLD[family], body), verdict: 'pass' },
    { what: `IPv${family} from the node`, packet: toPod(A, family, HOST[family], body), verdict: 'pass', by: 0 },
    { what: `IPv${family} from a pod by its own device`, packet: toPod(A, family, ip(B, family), body), verdict: 'pass', by: device(B) },
    { what: `IPv${family} from outside in a pod's name`, packet: toPod(A, family, ip(B, family), body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
    { what: `IPv${family} from the node in a pod's name`, packet: toPod(A, family, ip(B, family), body), verdict: 'drop', reason: 'INVALID_SOURCE_IP', by: 0 },
    { what: `IPv${family} to another address`, packet: frame(family, [WORLD[family], ip(B, family)], [body], { mac: A.hostMac, gateway: A.mac }), verdict: 'drop', reason: 'STALE_IP' },
  ]),
  { what: 'from IPv4 loopback', packet: toPod(A, 4, '127.0.0.1', body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'from an IPv4 group', packet: toPod(A, 4, '224.0.0.1', body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'from IPv6 loopback', packet: toPod(A, 6, '::1', body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'from an IPv6 group', packet: toPod(A, 6, 'ff02::1', body), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'from an IPv4-mapped address', packet: mapped(toPod(A, 6, WORLD[6], body), 22), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'to an IPv4 group', packet: packet(ethernet(back), ipv4({ source: HOST[4], destination: '224.0.0.1' }), body), verdict: 'drop', reason: 'MULTICAST_HANDLED', by: 0 },
  { what: 'broadcast', packet: packet(ethernet(back), ipv4({ source: HOST[4], destination: '255.255.255.255' }), body), verdict: 'drop', reason: 'BROADCAST_HANDLED', by: 0 },
  { what: 'ARP of the node', packet: packet(ethernet(back), arp({ operation: 'request', senderMac: A.hostMac, senderIp: HOST[4], targetIp: A.ipv4 })), verdict: 'pass', by: 0 },
  { what: 'ARP of somebody else', packet: packet(ethernet(back), arp({ operation: 'request', senderMac: A.hostMac, senderIp: HOST[4], targetIp: A.ipv4 })), verdict: 'drop', reason: 'INVALID_SOURCE_IP' },
  { what: 'a neighbour solicitation of the node', packet: packet(ethernet(back), ipv6({ source: GATEWAY6, destination: 'ff02::1:ff00:1', hopLimit: 255 }), neighbourSolicitation({ target: A.ipv6, linkLayer: A.hostMac })), verdict: 'pass', by: 0 },
  { what: 'a forwarded neighbour solicitation', packet: packet(ethernet(back), ipv6({ source: GATEWAY6, destination: A.ipv6, hopLimit: 255 }), neighbourSolicitation({ target: A.ipv6, linkLayer: A.hostMac })), verdict: 'drop', reason: 'FORBIDDEN_ICMP6' },
  { what: 'a neighbour advertisement of the node', packet: packet(ethernet(back), ipv6({ source: GATEWAY6, destination: A.ipv6, hopLimit: 255 }), neighbourAdvertisement({ target: GATEWAY6, linkLayer: A.hostMac })), verdict: 'pass', by: 0 },
  { what: 'a router advertisement', packet: packet(ethernet(back), ipv6({ source: GATEWAY6, destination: 'ff02::1', hopLimit: 255 }), routerAdvertisement()), verdict: 'drop', reason: 'FORBIDDEN_ICMP6', by: 0 },
  { what: 'a listener report of the node', packet: packet(ethernet(back), ipv6({ source: GATEWAY6, destination: 'ff02::16', hopLimit: 1 }), extension('hopByHop'), multicastListenerReport('ff02::fb')), verdict: 'pass', by: 0 },
  { what: 'a router solicitation', packet: packet(ethernet(back), ipv6({ source: GATEWAY6, destination: 'ff02::2', hopLimit: 255 }), routerSolicitation()), verdict: 'drop', reason: 'MULTICAST_HANDLED', by: 0 },
  { what: 'IPv6 multicast', packet: packet(ethernet(back), ipv6({ source: HOST[6], destination: 'ff02::fb' }), body), verdict: 'drop', reason: 'MULTICAST_HANDLED', by: 0 },
  { what: 'IPv6 to the link-local address', packet: packet(ethernet(back), ipv6({ source: GATEWAY6, destination: 'fe80::1' }), body), verdict: 'drop', reason: 'STALE_IP', by: 0 },
]);

test('devices without an endpoint', () => {
  expect(sandbox.run('cil_from_container', fromPod(A, 4, B.ipv4, body), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.UNKNOWN_SENDER });
  expect(sandbox.run('cil_to_container', toPod(A, 4, WORLD[4], body), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NO_LOCAL_ENDPOINT });
});

describe.each(FAMILIES)('delivery over IPv$family', ({ family }) => {
  const b = ip(B, family);
  const long = (size: number): Uint8Array => fromPod(A, family, b, datagram(1, 2), payload(size));

  test('to a pod: routed, addressed, without a mark', () => {
    const sent = fromPod(A, family, b, segment(1, 2, 'syn'));
    const { verdict, data, mark } = sandbox.from(A, sent, { mark: 77 });
    const wanted = frame(family, [ip(A, family), b], [segment(1, 2, 'syn')], { mac: B.hostMac, gateway: B.mac, ip: { ttl: 63, hopLimit: 63 } });
    expect({ verdict, mark }).toEqual({ verdict: 'redirect', mark: 0 });
    expect(parsePacket(data)).toEqual(parsePacket(wanted));
    expect([...data]).toEqual([...wanted]);
  });

  test.each([0, 1, 2])('with %i hops left', (hops) => {
    const bytes = frame(family, [ip(A, family), b], [datagram(1, 2)], { ip: { ttl: hops, hopLimit: hops } });
    expect(sandbox.from(A, bytes).verdict).toBe(hops < 2 ? 'pass' : 'redirect');
  });

  test('too long for the other end goes by the stack; what will be cut into segments is measured by segment', () => {
    sandbox.writeEndpoint({ ...B, mtu: 1300 });
    const overhead = family === 4 ? 28 : 48;
    expect(sandbox.from(A, long(1300 - overhead)).verdict).toBe('redirect');
    expect(sandbox.from(A, long(1301 - overhead)).verdict).toBe('pass');
    expect(sandbox.from(A, long(3000), { gsoSize: 1200, gsoSegments: 3 }).verdict).toBe('redirect');
    expect(sandbox.from(A, long(3000), { gsoSize: 1300, gsoSegments: 3 }).verdict).toBe('pass');
    sandbox.writeEndpoint(B);
  });

  test.each([
    { to: 'the node', address: HOST[family], identity: IDENTITY.host, point: 'to-host' },
    { to: 'a named prefix', address: REMOTE[family], identity: IDENTITY.remote, point: 'to-stack' },
    { to: 'the world', address: WORLD[family], identity: family === 4 ? IDENTITY.world4 : IDENTITY.world6, point: 'to-stack' },
    { to: 'a pod', address: b, identity: B.identity, point: 'to-endpoint' },
  ])('to $to is judged and reported as identity $identity', ({ address, identity, point }) => {
    const only: Policy = { ingress: { any: DENY }, egress: { any: DENY, by: new Map([[identity, ALLOW]]) } };
    sandbox.setPolicy(A, only);
    const { verdict, events } = sandbox.from(A, fromPod(A, family, address, datagram(3, 4)));
    expect(verdict).toBe(point === 'to-endpoint' ? 'redirect' : 'pass');
    expect(events).toMatchObject([{ kind: 'verdict', tracePoint: point, destination: { identity, port: 4 }, source: { identity: A.identity, endpoint: 101 } }]);
  });

  test.each([
    { from: 'the node', source: HOST[family], by: 0, identity: IDENTITY.host },
    { from: 'outside in the node\'s name', source: HOST[family], by: UPLINK, identity: family === 4 ? IDENTITY.world4 : IDENTITY.world6 },
    { from: 'a named prefix', source: REMOTE[family], by: UPLINK, identity: IDENTITY.remote },
    { from: 'the world', source: WORLD[family], by: UPLINK, identity: family === 4 ? IDENTITY.world4 : IDENTITY.world6 },
    { from: 'a pod', source: b, by: device(B), identity: B.identity },
  ])('from $from is judged as identity $identity', ({ source, by, identity }) => {
    sandbox.setPolicy(A, { ingress: { any: DENY, by: new Map([[identity, ALLOW]]) }, egress: { any: DENY } });
    expect(sandbox.to(A, toPod(A, family, source, datagram(3, 4)), by)).toMatchObject({ verdict: 'pass', events: [{ kind: 'verdict', source: { identity } }] });
    sandbox.clearFlows();
    sandbox.setPolicy(A, { ingress: { any: ALLOW, by: new Map([[identity, DENY]]) }, egress: { any: DENY } });
    expect(sandbox.to(A, toPod(A, family, source, datagram(3, 4)), by)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('a flow that the node began is not continued from outside', () => {
    expect(sandbox.to(A, toPod(A, family, HOST[family], datagram(3, 4)), 0).verdict).toBe('pass');
    expect(sandbox.to(A, toPod(A, family, HOST[family], datagram(3, 4)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_SOURCE_IP });
  });

  test('a live flow is no cover for a forged source', () => {
    sandbox.from(A, fromPod(A, family, b, datagram(1, 2)));
    expect(sandbox.to(A, toPod(A, family, b, datagram(2, 1)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_SOURCE_IP });
  });

  test('an address of the node that nobody told is the node all the same', async () => {
    const late = family === 4 ? '198.51.100.77' : '2001:db8:99::77';
    await sandbox.addNodeAddress(late);
    sandbox.setPolicy(A, { ingress: { any: DENY }, egress: { any: ALLOW, by: new Map([[IDENTITY.host, DENY]]) } });
    expect(sandbox.from(A, fromPod(A, family, late, datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY, events: [{ destination: { identity: 1 } }] });
    sandbox.setPolicy(A, OPEN);
    expect(sandbox.from(A, fromPod(A, family, late, datagram(1, 2))).events).toMatchObject([{ tracePoint: 'to-host' }]);
    expect(sandbox.to(A, toPod(A, family, late, datagram(2, 1)), 0)).toMatchObject({ verdict: 'pass', events: [] });
  });

  test('fragments follow their first one', () => {
    const web: Row = [[0, 'default'], [17 * 65536 + 53, 'allow'], [17 * 65536 + 54, 'default']];
    sandbox.setPolicy(B, { ingress: { any: web }, egress: { any: DENY } });
    const cut = family === 4 ? fragmentIpv4 : fragmentIpv6;
    const [first, second, third] = cut(fromPod(A, family, b, datagram(9, 53), payload(2000)), 800, 77) as [Uint8Array, Uint8Array, Uint8Array];
    expect(sandbox.from(A, second)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.FRAGMENT_NOT_FOUND });
    for (const each of [first, third, second]) expect(sandbox.from(A, each).verdict).toBe('redirect');
    expect(sandbox.flows()).toHaveLength(1);
    const [refused, tail] = cut(fromPod(A, family, b, datagram(9, 54), payload(2000)), 800, 78) as [Uint8Array, Uint8Array];
    for (const each of [refused, tail]) expect(sandbox.from(A, each)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    const [ping, rest] = cut(fromPod(A, family, b, echo(family, 'request', 5), payload(2000)), 800, 79) as [Uint8Array, Uint8Array];
    sandbox.setPolicy(B, OPEN);
    for (const each of [ping, rest]) expect(sandbox.from(A, each).verdict).toBe('redirect');
  });

  test('a fragment that reaches into the TCP header is refused', () => {
    const cut = family === 4 ? fragmentIpv4 : fragmentIpv6;
    const whole = fromPod(A, family, b, segment(9, 80, 'syn'), payload(100));
    expect(sandbox.from(A, cut(whole, 24, 80)[0]!).verdict).toBe('redirect');
    expect(sandbox.from(A, cut(whole, 8, 80)[1]!)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_PACKET });
    expect(sandbox.from(A, cut(whole, 16, 81)[0]!)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.TRUNCATED });
  });
});

describe.each(FAMILIES)('verdicts over IPv$family', ({ family }) => {
  const b = ip(B, family);
  const sent = fromPod(A, family, b, segment(1, 80, 'syn'));
  const egress = (any: Row | undefined, flags = 0): Policy => ({ ingress: { any: ALLOW }, egress: any === undefined ? {} : { any }, flags });
  const ingress = (any: Row | undefined, flags = 0): Policy => ({ ingress: any === undefined ? {} : { any }, egress: { any: ALLOW }, flags });
  const DENIED: Row = [[0, 'deny']];

  test.each([
    { what: 'denied by default', row: DENY, reason: DROP_REASON.POLICY },
    { what: 'denied by rule', row: DENIED, reason: DROP_REASON.POLICY_DENY },
    { what: 'without policy', row: undefined, reason: DROP_REASON.NO_POLICY },
    { what: 'without policy in audit mode', row: undefined, flags: 4, reason: DROP_REASON.NO_POLICY },
    { what: 'locked down', row: ALLOW, flags: 8, reason: DROP_REASON.NO_POLICY },
    { what: 'locked down in audit mode', row: ALLOW, flags: 12, reason: DROP_REASON.NO_POLICY },
  ])('$what', ({ row, flags, reason }) => {
    sandbox.setPolicy(A, egress(row, flags));
    expect(sandbox.from(A, sent)).toMatchObject({ verdict: 'drop', reason, events: [{ direction: 'egress' }] });
    sandbox.setPolicy(A, OPEN);
    sandbox.setPolicy(B, ingress(row, flags));
    expect(sandbox.from(A, sent)).toMatchObject({ verdict: 'drop', reason, events: [{ direction: 'ingress' }] });
    expect(sandbox.to(B, toPod(B, family, WORLD[family], segment(1, 80, 'syn')), UPLINK)).toMatchObject({ verdict: 'drop', reason });
  });

  test('audit mode lets through what policy denies, and says so', () => {
    sandbox.setPolicy(A, egress(DENIED, 4));
    expect(sandbox.from(A, sent)).toMatchObject({ verdict: 'redirect', events: [{ kind: 'verdict', audited: true }] });
    expect(sandbox.flows()[0]?.audited).toBe(true);
    sandbox.setPolicy(B, ingress(DENY));
    expect(sandbox.from(A, fromPod(A, family, b, segment(2, 80, 'syn')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('a lock-down cuts what is established', () => {
    sandbox.from(A, sent);
    sandbox.setPolicy(B, { ...OPEN, flags: 8 });
    expect(sandbox.from(A, fromPod(A, family, b, segment(1, 80, 'ack')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NO_POLICY });
  });

  test.each([1, 2, 3, 16, 17, 31, 100, 1023, 1024])('the boundary of a row of %i is found, to the port', (length) => {
    const row: Row = Array.from({ length }, (_, index) => [index === 0 ? 0 : 6 * 65536 + index * 3, index % 2 === 1 ? 'allow' : 'default'] as const);
    sandbox.setPolicy(B, ingress(row));
    for (const port of new Set([1, 2, 3, 4, 5, 6, 50, (length - 1) * 3 - 1, (length - 1) * 3, (length - 1) * 3 + 1, 65535].filter((each) => each > 0))) {
      const index = Math.min(length - 1, Math.floor(port / 3));
      expect({ port, verdict: sandbox.from(A, fromPod(A, family, b, segment(port, port, 'syn'))).verdict }).toEqual({ port, verdict: index % 2 === 1 ? 'redirect' : 'drop' });
    }
  });

  test('drops and forwards are counted, with a full ring too', () => {
    const before = sandbox.counted(0);
    sandbox.from(A, sent);
    expect(sandbox.counted(0)).toBe(before + 1);
  });
});

test('families that are switched off are refused', async () => {
  using off = await Sandbox.open({ enable_ipv4: 0, enable_ipv6: 0 });
  await off.addPod(A);
  for (const bytes of [fromPod(A, 4, B.ipv4, body), fromPod(A, 6, B.ipv6, body), packet(ethernet(mac), arp({ operation: 'request', senderMac: A.mac, senderIp: A.ipv4, targetIp: HOST[4] }))]) {
    expect(off.from(A, bytes)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.UNSUPPORTED_L3 });
  }
});

test('events can be switched off, and lost ones are counted', async () => {
  using quiet = await Sandbox.open({ events_drop: 0, events_verdict: 0, events_trace: 0 });
  await quiet.addPod(A);
  expect(quiet.from(A, fromPod(A, 4, WORLD[4], body))).toMatchObject({ verdict: 'pass', events: [] });
  expect(quiet.from(A, from4({ source: '10.9.9.9' }, body))).toMatchObject({ verdict: 'drop', events: [] });
  expect(quiet.counted(DROP_REASON.INVALID_SOURCE_IP)).toBe(1);
  using traced = await Sandbox.open({ events_verdict: 0 }, { cilium_events: 4096 });
  await traced.addPod(A);
  expect(traced.from(A, fromPod(A, 4, WORLD[4], body)).events).toMatchObject([{ kind: 'trace', tracePoint: 'to-stack' }]);
  traced.overrun(A, from4({ source: '10.9.9.9' }, body), 100);
  expect(traced.counted(121)).toBeGreaterThan(50);
  expect(traced.counted(DROP_REASON.INVALID_SOURCE_IP)).toBe(100);
});
