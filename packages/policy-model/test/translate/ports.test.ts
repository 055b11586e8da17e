import { describe, expect, test } from 'vitest';
import { MATCH_TYPE, PROTOCOL } from '../../src/index.ts';
import { pod } from '../helpers/identities.ts';
import { cnp, decide, ingress, issuesOf, repositoryOf } from '../helpers/policies.ts';

const { ICMP, ICMPV6, IGMP, SCTP, TCP, UDP, VRRP } = PROTOCOL;
const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db' });

const verdicts = (rule: unknown, packets: readonly (readonly [number, number])[]): string[] => {
  const repository = repositoryOf(cnp({ endpointSelector: {}, ingress: [rule] }));
  return packets.map(([protocol, port]) => ingress({ repository, from: web, to: db, protocol, port }));
};
const [yes, no] = ['allow', 'deny-default'];
const ports = (...list: unknown[]) => ({ fromEntities: ['all'], toPorts: [{ ports: list }] });

describe('ports', () => {
  test.each<[unknown, (readonly [number, number])[], string[]]>([
    [{ port: '80', protocol: 'TCP' }, [[TCP, 80], [TCP, 79], [TCP, 81], [UDP, 80], [TCP, 0]], [yes, no, no, no, no]],
    [{ port: '80', protocol: 'tcp' }, [[TCP, 80], [UDP, 80]], [yes, no]],
    [{ port: '80' }, [[TCP, 80], [UDP, 80], [SCTP, 80], [ICMP, 80], [47, 0]], [yes, yes, yes, no, no]],
    [{ port: '80', protocol: 'ANY' }, [[TCP, 80], [UDP, 80], [SCTP, 80], [ICMP, 80]], [yes, yes, yes, no]],
    [{ port: '80', protocol: '' }, [[TCP, 80], [UDP, 80], [SCTP, 80]], [yes, yes, yes]],
    [{ port: '0', protocol: 'UDP' }, [[UDP, 0], [UDP, 65535], [TCP, 80]], [yes, yes, no]],
    [{ port: '0', protocol: 'ANY' }, [[TCP, 1], [UDP, 2], [SCTP, 3], [ICMP, 8], [47, 0]], [yes, yes, yes, no, no]],
    [{ port: '80', endPort: 90, protocol: 'TCP' }, [[TCP, 79], [TCP, 80], [TCP, 90], [TCP, 91]], [no, yes, yes, no]],
    [{ port: '80', endPort: 80, protocol: 'TCP' }, [[TCP, 79], [TCP, 80], [TCP, 81]], [no, yes, no]],
    [{ port: '80', endPort: 0, protocol: 'TCP' }, [[TCP, 80], [TCP, 81]], [yes, no]],
    [{ port: '65535', protocol: 'TCP' }, [[TCP, 65535], [7, 0]], [yes, no]],
    [{ port: '0', endPort: 65535, protocol: 'TCP' }, [[TCP, 0], [TCP, 65535]], [yes, yes]],
    [{ port: '0', endPort: 10, protocol: 'TCP' }, [[TCP, 0], [TCP, 10], [TCP, 11]], [yes, yes, no]],
    [{ port: '0', protocol: 'VRRP' }, [[VRRP, 0], [IGMP, 0]], [yes, no]],
    [{ protocol: 'IGMP' }, [[IGMP, 0], [VRRP, 0]], [yes, no]],
  ])('%j', (port, packets, expected) => {
    expect(verdicts(ports(port), packets)).toEqual(expected);
  });

  test('a rule without ports is every protocol', () => {
    expect(verdicts({ fromEntities: ['all'] }, [[TCP, 1], [ICMP, 8], [ICMPV6, 128], [0, 0], [47, 0], [255, 0]])).toEqual([yes, yes, yes, yes, yes, yes]);
  });

  test('peers and ports are ANDed, the members of each list ORed', () => {
    const rule = { fromEndpoints: [{ matchLabels: { app: 'web' } }, { matchLabels: { app: 'x' } }], toPorts: [{ ports: [{ port: '1', protocol: 'TCP' }, { port: '2', protocol: 'TCP' }] }, { ports: [{ port: '3', protocol: 'UDP' }] }] };
    expect(verdicts(rule, [[TCP, 1], [TCP, 2], [UDP, 3], [TCP, 3]])).toEqual([yes, yes, yes, no]);
  });

  test.each([
    [{ protocol: 'TCP' }, 'port', 'the field port is missing'],
    [{ port: '' }, 'port', 'the field port is missing'],
    [{ port: '65536' }, 'port', '"65536" is not a port'],
    [{ port: '-1' }, 'port', '"-1" is not a port'],
    [{ port: '080' }, 'port', '"080" is not a port'],
    [{ port: '80 ' }, 'port', '"80 " is not a port'],
    [{ port: '80', protocol: 'ICMP' }, 'protocol', '"ICMP" is not a protocol of a port rule'],
    [{ port: '80', protocol: 'QUIC' }, 'protocol', '"QUIC" is not a protocol of a port rule'],
    [{ port: '80', endPort: 79 }, 'endPort', 'endPort 79 is below the port 80'],
    [{ port: '1', protocol: 'VRRP' }, 'port', 'VRRP has no ports'],
  ])('%j is refused', (port, field, message) => {
    expect(issuesOf(cnp({ endpointSelector: {}, ingress: [ports(port)] }))).toMatchObject([{ severity: 'error', field: `spec.ingress[0].toPorts[0].ports[0].${field}`, message }]);
  });

  test('at most 40 in one list', () => {
    const list = Array.from({ length: 41 }, (_, i) => ({ port: String(i + 1) }));
    expect(issuesOf(cnp({ endpointSelector: {}, ingress: [ports(...list.slice(1))] }))).toEqual([]);
    expect(issuesOf(cnp({ endpointSelector: {}, ingress: [ports(...list)] }))).toMatchObject([{ field: 'spec.ingress[0].toPorts[0].ports', message: 'a list of 41 is not accepted', remedy: 'use at most 40 members' }]);
  });
});

describe('ICMP', () => {
  const icmp = (...fields: unknown[]) => ({ fromEntities: ['all'], icmps: [{ fields }] });
  test.each<[unknown, (readonly [number, number])[], string[]]>([
    [{ type: 8 }, [[ICMP, 8], [ICMP, 0], [ICMPV6, 8], [TCP, 8]], [yes, no, no, no]],
    [{ type: '8' }, [[ICMP, 8], [ICMP, 0]], [yes, no]],
    [{ type: 'EchoRequest' }, [[ICMP, 8], [ICMP, 0]], [yes, no]],
    [{ type: 'Echo', family: 'IPv4' }, [[ICMP, 8]], [yes]],
    [{ type: 'EchoReply' }, [[ICMP, 0], [ICMP, 8]], [yes, no]],
    [{ type: 0 }, [[ICMP, 0], [ICMP, 8]], [yes, no]],
    [{ type: 'EchoRequest', family: 'IPv6' }, [[ICMPV6, 128], [ICMP, 8]], [yes, no]],
    [{ type: 'PacketTooBig', family: 'IPv6' }, [[ICMPV6, 2], [ICMPV6, 3]], [yes, no]],
    [{ type: 255 }, [[ICMP, 255], [ICMP, 254]], [yes, no]],
  ])('%j', (field, packets, expected) => {
    expect(verdicts(icmp(field), packets)).toEqual(expected);
  });

  test('without peers it means everybody, and the match type says so', () => {
    const repository = repositoryOf(cnp({ endpointSelector: {}, ingress: [{ icmps: [{ fields: [{ type: 8 }] }] }] }));
    expect(decide('ingress', { repository, from: web, to: db, protocol: ICMP, port: 8 })).toMatchObject({ action: yes, match: MATCH_TYPE.l4Only });
  });

  test.each([
    [{ type: 256 }, '256 is not an ICMP type of IPv4', 'use a number from 0 to 255 or a name such as EchoRequest'],
    [{ type: -1 }, '-1 is not an ICMP type of IPv4', 'use a number from 0 to 255 or a name such as EchoRequest'],
    [{ type: 'EchoRequst' }, '"EchoRequst" is not an ICMP type of IPv4', 'did you mean EchoRequest?'],
    [{ type: 'Photuris', family: 'IPv6' }, '"Photuris" is not an ICMP type of IPv6', 'use a number from 0 to 255 or a name such as EchoRequest'],
  ])('%j is refused', (field, message, remedy) => {
    expect(issuesOf(cnp({ endpointSelector: {}, ingress: [icmp(field)] }))).toMatchObject([{ field: 'spec.ingress[0].icmps[0].fields[0].type', message, remedy }]);
  });

  test('at most 40 in one list', () => {
    const fields = Array.from({ length: 41 }, (_, type) => ({ type }));
    expect(issuesOf(cnp({ endpointSelector: {}, ingress: [icmp(...fields)] }))).toMatchObject([{ field: 'spec.ingress[0].icmps[0].fields', message: 'a list of 41 is not accepted', remedy: 'use at most 40 members' }]);
  });
});
