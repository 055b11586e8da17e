import { parseCidr, parseIp } from '@cilium-ts/core';
import { describe, expect, test } from 'vitest';
import type { PeerReference } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS as options, PolicyModelError, createPolicyRepository, parsePolicies, resolvePeerReference } from '../../src/index.ts';
import { pod } from '../helpers/identities.ts';

const web = pod('shop', { app: 'web' });
const cart = pod('shop', { app: 'cart' });
const repository = createPolicyRepository();
repository.replaceAll(
  parsePolicies(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: out, namespace: shop }
spec:
  endpointSelector: {}
  egress:
    - toCIDR: [198.51.100.0/24, 198.51.100.7/32]
    - toFQDNs: [{ matchPattern: "*.example.org" }, { matchName: api.example.org }]
`).resources,
);
repository.directory.setService({ namespace: 'shop', name: 'cart', selector: { app: 'cart' } });
repository.directory.setService({ namespace: 'shop', name: 'legacy', addresses: [parseCidr('203.0.113.5/32')!] });
repository.directory.setService({ namespace: 'shop', name: 'empty', selector: { app: 'nobody' } });

const resolve = (reference: string | PeerReference, more = {}) => resolvePeerReference(reference, { repository, identities: [web, cart], options, ...more });
const labelsOf = (reference: string | PeerReference, more = {}) => resolve(reference, more).identities.map(({ labels }) => labels.toStrings().filter((label) => !label.includes('kubernetes')));

describe('what text means', () => {
  test('an identity that is known, or a reserved one', () => {
    expect(resolve(String(web.id))).toEqual({ text: String(web.id), identities: [web] });
    expect(labelsOf('1')).toEqual([['reserved:host']]);
    expect(labelsOf('identity:4')).toEqual([['reserved:health']]);
  });
  test('labels, in the own cluster unless they say otherwise', () => {
    expect(resolve('app=web,io.kubernetes.pod.namespace=shop,io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop').identities).toEqual([web]);
    expect(labelsOf('app=new , team=a')).toEqual(labelsOf('app=new,team=a'));
    expect(labelsOf('app=new')).toEqual([['k8s:app=new', 'k8s:io.cilium.k8s.policy.cluster=default']]);
    expect(resolve('app=new').identities[0]!.id).toBeGreaterThan(16_777_216);
  });
  test('reserved names', () => {
    expect(labelsOf('host')).toEqual([['reserved:host']]);
    expect(labelsOf('world')).toEqual([['reserved:world-ipv4']]);
    expect(labelsOf('reserved:remote-node')).toEqual([['reserved:remote-node']]);
  });
  test('addresses, by the nearest prefix of the rules', () => {
    expect(labelsOf('198.51.100.7')).toEqual([['cidr:198.51.100.7/32', 'reserved:world-ipv4']]);
    expect(labelsOf('198.51.100.8')).toEqual([['cidr:198.51.100.0/24', 'reserved:world-ipv4']]);
    expect(labelsOf('2001:db8::1')).toEqual([['reserved:world-ipv6']]);
    expect(resolve('10.0.0.1', { lookup: () => cart }).identities).toEqual([cart]);
  });
  test('services: everybody behind them', () => {
    expect(resolve('service:shop/cart').identities).toEqual([cart]);
    expect(labelsOf('service:shop/legacy')).toEqual([['reserved:world-ipv4']]);
  });
  test('DNS names: what they lead to', () => {
    expect(labelsOf('dns:api.example.org')).toEqual([['fqdn:*.example.org.', 'fqdn:api.example.org.', 'reserved:world-ipv4']]);
    const addresses = () => [parseIp('198.51.100.7')!, parseIp('2001:db8::1')!];
    expect(labelsOf({ name: 'www.example.org.' }, { resolve: addresses })).toEqual([['fqdn:*.example.org.', 'cidr:198.51.100.7/32', 'reserved:world-ipv4'], ['fqdn:*.example.org.', 'reserved:world-ipv6']]);
  });
});

test.each<[string | PeerReference, string]>([
  ['99999', 'no identity of that number'],
  ['service:shop/nothing', 'no such service'],
  ['service:shop/empty', 'nobody that is known is behind'],
  ['service:cart', 'a service is written namespace/name'],
  [{ ip: '1.2.3' }, 'neither an IPv4 nor an IPv6 address'],
  [{ reserved: 'moon' }, 'no reserved identity moon'],
  ['dns:a..b', 'no DNS name'],
])('%j is not known', (reference, message) => {
  expect(() => resolve(reference)).toThrow(PolicyModelError);
  expect(() => resolve(reference)).toThrow(message);
});

test('text that says nothing is refused', () => {
  expect(() => resolve(' ')).toThrow(RangeError);
});
