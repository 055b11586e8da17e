import { parseCidr } from '@cilium-ts/core';
import { ifIndex } from '@cilium-ts/netlink';
import type { Route } from '@cilium-ts/netlink';
import { describe, expect, it } from 'vitest';
import { parseIpMasqConfig } from '../../src/node/ip-masq-config.ts';
import { selectUplinks, uplinkWarnings } from '../../src/node/uplinks.ts';

const links = [['lo', 1], ['eth0', 2], ['eth1', 3], ['wlan0', 4], ['lxc1', 5], ['cilium_host', 6]].map(([name, index]) => ({ name: String(name), index: ifIndex(Number(index)) }));
const route = (destination: string, link: number, type: Route['type'] = 'unicast'): Pick<Route, 'destination' | 'type' | 'nextHops'> => ({ destination: parseCidr(destination)!, type, nextHops: [{ link: ifIndex(link) }] as unknown as Route['nextHops'] });

describe('selectUplinks', () => {
  it.each<[string, string[] | undefined, ReturnType<typeof route>[], string[]]>([
    ['takes those with a default route', undefined, [route('0.0.0.0/0', 3), route('::/0', 2), route('10.0.0.0/8', 4)], ['eth0', 'eth1']],
    ['none without one', undefined, [route('10.0.0.0/8', 4), route('0.0.0.0/0', 2, 'unreachable')], []],
    ['takes those that are named', ['wlan0'], [route('0.0.0.0/0', 3)], ['wlan0']],
    ['takes those that begin so', ['eth+'], [], ['eth0', 'eth1']],
    ['never its own', ['lxc+', 'cilium_host', 'lo'], [], []],
  ])('%s', (_, named, routes, expected) => { expect(selectUplinks(links, { named, routes }).map(({ name }) => name)).toEqual(expected); });
});

describe('uplinkWarnings', () => {
  it.each<[string, string[], Parameters<typeof uplinkWarnings>[1], string[]]>([
    ['nothing where all are there', ['eth0', 'eth1'], { named: ['eth+', 'eth0'], required: true }, []],
    ['those that are named and missing', ['eth0'], { named: ['eth0', 'eht1', 'bond+'], required: false }, ['no device eht1', 'no device bond+']],
    ['that a load balancer has none', [], { named: undefined, required: true }, ['no device has a default route']],
    ['nothing where a node needs none', [], { named: undefined, required: false }, []],
  ])('tell %s', (_, found, options, expected) => { expect(uplinkWarnings(found, options)).toEqual(expected.map((text) => expect.stringContaining(text))); });
});

describe('parseIpMasqConfig', () => {
  const read = (text: string | undefined) => parseIpMasqConfig(text, '/etc/ip-masq').map(({ text: prefix }) => prefix);
  it('takes well-known networks without a file', () => { expect(read(undefined)).toEqual(expect.arrayContaining(['10.0.0.0/8', '169.254.0.0/16', 'fe80::/10'])); });
  it('takes what the file lists, and link-local addresses unless told otherwise', () => {
    expect(read('nonMasqueradeCIDRs: [10.1.0.0/16, "2001:db8::/32"]')).toEqual(['10.1.0.0/16', '2001:db8::/32', '169.254.0.0/16', 'fe80::/10']);
    expect(read('nonMasqueradeCIDRs: [10.1.0.0/16]\nmasqLinkLocal: true\nmasqLinkLocalIPv6: true\nresyncInterval: 60s')).toEqual(['10.1.0.0/16']);
    expect(read('{}')).toEqual(['169.254.0.0/16', 'fe80::/10']);
  });
  it.each([['nonMasqueradeCIDRs: ["10.1"]', /ip-masq: nonMasqueradeCIDRs\[0\]: "10\.1" is no prefix/], ['nonMasqueradeCIDRs: 5', /nonMasqueradeCIDRs/], ['surprise: 1', /surprise/], ['a: [', /^read \/etc\/ip-masq:1:5: a bracket or a brace is not closed \(close it\)$/], ['a: 1\n---\nb: 2', /more than one document/]])('refuses %s', (text, message) => { expect(() => read(text)).toThrow(message); });
});
