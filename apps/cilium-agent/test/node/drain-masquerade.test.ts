import { parseCidr } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import { countMasqueraded } from '../../src/node/drain-masquerade.ts';

const ranges = [parseCidr('10.244.0.0/16')!, parseCidr('fd00:10:244::/64')!];
const line = (family: string, tuples: string) => `${family}     2 tcp      6 431999 ESTABLISHED ${tuples} [ASSURED] mark=0 zone=0 use=2`;

describe('countMasqueraded', () => {
  it.each([
    ['an endpoint behind the address of the node', line('ipv4', 'src=10.244.0.5 dst=198.51.100.10 sport=40000 dport=80 src=198.51.100.10 dst=192.0.2.2 sport=80 dport=40000'), 1],
    ['the same for IPv6', line('ipv6', 'src=fd00:0010:0244:0000:0000:0000:0000:0005 dst=2001:db8::1 sport=1 dport=80 src=2001:db8::1 dst=fd00:c1::2 sport=80 dport=1'), 1],
    ['an endpoint with its own address', line('ipv4', 'src=10.244.0.5 dst=10.244.0.6 sport=40000 dport=80 src=10.244.0.6 dst=10.244.0.5 sport=80 dport=40000'), 0],
    ['a connection of the node that others translate', line('ipv4', 'src=192.0.2.2 dst=198.51.100.10 sport=40000 dport=80 src=198.51.100.10 dst=192.0.2.3 sport=80 dport=40000'), 0],
    ['ICMP', 'ipv4     2 icmp     1 29 src=10.244.0.5 dst=198.51.100.10 type=8 code=0 id=7 src=198.51.100.10 dst=192.0.2.2 type=0 code=0 id=7 mark=0 zone=0 use=2', 1],
    ['nothing', '', 0],
  ])('%s', (_, listing, expected) => { expect(countMasqueraded(listing, ranges)).toBe(expected); });
});
