import { labelSet, selector } from '@cilium-ts/identity';
import { describe, expect, test } from 'vitest';
import type { ExplainRequest, KnownService, Peer, PolicyResource, SourceDirectory } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, explain } from '../../src/index.ts';
import { identity, outside, pod, reserved } from '../helpers/identities.ts';
import type { RuleSketch } from '../helpers/rules.ts';
import { cidr, policy, source, tcp } from '../helpers/rules.ts';

const web = pod('shop', { app: 'web' });
const at = { line: 1, column: 1, field: 'peer' };

function ask(peer: Peer, to: ExplainRequest['to'], more: { directory?: Partial<SourceDirectory>; resources?: PolicyResource[] } = {}) {
  const repository = source([policy('p', { direction: 'egress', peers: [peer] }), ...(more.resources ?? [])], more.directory);
  const { egress } = explain({ repository, from: web, to, protocol: 6, port: 80, options: DEFAULT_POLICY_OPTIONS });
  return [egress.verdict, egress.candidates[0]!.detail];
}

describe('CIDR groups', () => {
  const group = (name: string, labels: string[], ...prefixes: string[]): PolicyResource => ({
    kind: 'CiliumCIDRGroup', namespace: undefined, name, key: `CiliumCIDRGroup//${name}`, document: {}, rules: [], group: { prefixes: prefixes.map(cidr), labels: labelSet(labels) },
  });
  const resources = [group('office', ['k8s:site=a'], '198.51.100.0/24', '2001:db8::/32'), group('lab', ['k8s:site=b'], '203.0.113.0/24', '0.0.0.0/0')];
  const peer = (chosen: { name: string } | { selector: ReturnType<typeof selector> }, ...except: string[]): Peer => ({ kind: 'cidr-group', group: chosen, except: except.map(cidr), at });
  const bySite = (site: string) => ({ selector: selector([{ source: 'any', key: 'site', operator: 'In', values: [site] }]) });
  test('by name, by labels, with exceptions', () => {
    expect(ask(peer({ name: 'office' }), outside('198.51.100.0/24'), { resources })).toEqual(['allowed', 'address in 198.51.100.0/24 of the CIDR group office; every protocol and port']);
    expect(ask(peer({ name: 'office' }), outside('192.0.2.0/24'), { resources })).toEqual(['denied', 'the peer has no address label in the CIDR group office; pods and nodes never have']);
    expect(ask(peer(bySite('a')), outside('2001:db8:1::/48'), { resources })[0]).toBe('allowed');
    expect(ask(peer({ name: 'office' }, '198.51.100.128/25'), outside('198.51.100.128/25'), { resources })).toEqual(['denied', 'the peer is in the exception 198.51.100.128/25']);
    expect(ask(peer(bySite('b')), reserved('world-ipv4'), { resources })[0]).toBe('allowed');
    expect(ask(peer(bySite('b')), reserved('world-ipv6'), { resources })[0]).toBe('denied');
    expect(ask(peer({ name: 'nowhere' }), outside('198.51.100.0/24'), { resources })).toEqual(['denied', 'no CIDR group nowhere is known, or it is empty']);
  });
});

describe('services', () => {
  const cart: KnownService = { namespace: 'shop', name: 'cart', selector: { app: 'cart' }, prefixes: [] };
  const legacy: KnownService = { namespace: 'shop', name: 'legacy', selector: undefined, prefixes: [cidr('198.51.100.7/32')] };
  const directory: Partial<SourceDirectory> = {
    services: (reference) => [cart, legacy].filter(({ namespace, name }) => ('name' in reference ? reference.name === name && reference.namespace === namespace : reference.namespace === undefined || reference.namespace === namespace)),
  };
  const peer = (name: string): Peer => ({ kind: 'service', service: { namespace: 'shop', name }, at });
  test('by their pods, or their addresses', () => {
    expect(ask(peer('cart'), pod('shop', { app: 'cart' }), { directory })).toEqual(['allowed', 'a backend of the service shop/cart; every protocol and port']);
    expect(ask(peer('cart'), pod('bank', { app: 'cart' }), { directory })).toEqual(['denied', 'the peer is no backend of the service shop/cart']);
    expect(ask(peer('legacy'), outside('198.51.100.7/32'), { directory })[0]).toBe('allowed');
    expect(ask(peer('legacy'), outside('198.51.100.0/24'), { directory })[0]).toBe('denied');
    expect(ask(peer('gone'), pod('shop', { app: 'cart' }), { directory })).toEqual(['denied', 'no service shop/gone is known']);
  });
  test('by labels of the service', () => {
    const byLabels: Peer = { kind: 'service', service: { selector: selector([]), namespace: 'bank' }, at };
    expect(ask(byLabels, pod('shop', { app: 'cart' }), { directory })).toEqual(['denied', 'no service with <all> in bank is known']);
  });
});

test('groups of a provider', () => {
  const directory: Partial<SourceDirectory> = { group: (text) => (text === 'aws:sg-1' ? [cidr('198.51.100.0/24')] : []) };
  const peer = (group: string): Peer => ({ kind: 'group', group, at });
  expect(ask(peer('aws:sg-1'), outside('198.51.100.0/24'), { directory })).toEqual(['allowed', 'address in 198.51.100.0/24 of the group aws:sg-1; every protocol and port']);
  expect(ask(peer('aws:sg-1'), outside('203.0.113.0/24'), { directory })).toEqual(['denied', 'no address of the group aws:sg-1']);
  expect(ask(peer('aws:sg-2'), outside('198.51.100.0/24'), { directory })).toEqual(['denied', 'nothing is known of the addresses of the group aws:sg-2']);
});

test('names that led to an address', () => {
  const resolved = identity(16777300, labelSet(['fqdn:*.example.org.', 'reserved:world-ipv4']));
  expect(ask({ kind: 'fqdn', selector: { pattern: '*.example.org.' }, at }, resolved)).toEqual(['allowed', 'an address that *.example.org. resolved to; every protocol and port']);
  expect(ask({ kind: 'fqdn', selector: { name: 'example.org.' }, at }, resolved)).toEqual(['denied', "no name that example.org. means led to the peer's address"]);
});

test('entities', () => {
  expect(ask({ kind: 'entity', entity: 'kube-apiserver', at }, reserved('host'))[0]).toBe('denied');
  expect(ask({ kind: 'entity', entity: 'kube-apiserver', at }, identity(7, labelSet(['reserved:kube-apiserver', 'reserved:remote-node'])))[0]).toBe('allowed');
});

describe('named ports', () => {
  const rule = (direction: 'ingress' | 'egress', subject: string): RuleSketch => ({ direction, subject: { app: subject }, ports: [tcp('http'), tcp(9000)] });
  const cart = pod('shop', { app: 'cart' });
  const known = [{ name: 'http', protocol: 6, port: 8080 }, { name: 'dns', protocol: 17, port: 53 }];
  const directory: Partial<SourceDirectory> = { namedPorts: (id) => (id === cart.id ? known : []) };
  const request = { from: web, to: cart, protocol: 6, options: DEFAULT_POLICY_OPTIONS };
  const ingress = source([policy('p', rule('ingress', 'cart'))], directory);
  const egress = source([policy('p', rule('egress', 'web'))], directory);

  test('are those of the destination, on either side', () => {
    for (const repository of [ingress, egress]) {
      expect(explain({ ...request, repository, port: 8080 }).verdict).toBe('allowed');
      expect(explain({ ...request, repository, port: 80 }).verdict).toBe('denied');
      expect(explain({ ...request, repository, port: 9000 }).verdict).toBe('allowed');
    }
    expect(explain({ ...request, repository: ingress, port: 8080 }).text).toContain('TCP port http, which is 8080');
    expect(explain({ ...request, repository: ingress, port: 80 }).text).toContain("80/TCP is not among its ports (the endpoint's port http is 8080)");
    expect(explain({ ...request, repository: egress, to: web, port: 80 }).text).toContain('80/TCP is not among its ports (no container of the peer names a port http)');
  });

  test('may differ between endpoints of one identity', () => {
    const namedPorts = [{ name: 'http', protocol: 6, port: 81 }];
    expect(explain({ ...request, repository: ingress, port: 81, namedPorts }).verdict).toBe('allowed');
    expect(explain({ ...request, repository: ingress, port: 8080, namedPorts }).verdict).toBe('denied');
    expect(explain({ ...request, repository: egress, port: 81, namedPorts }).verdict).toBe('denied');
  });

  test('may be asked for', () => {
    expect(explain({ ...request, repository: ingress, portName: 'HTTP' })).toMatchObject({ verdict: 'allowed', packet: { port: 8080 } });
    expect(() => explain({ ...request, repository: ingress, portName: 'https' })).toThrow(new RangeError('portName: the destination has no port of that name ("https", TCP)'));
    const two = [...known, { name: 'http', protocol: 6, port: 8081 }];
    expect(() => explain({ ...request, repository: ingress, portName: 'http', namedPorts: two })).toThrow(/has 8080, 8081 under that name/);
  });
});

test('a changed repository is read anew, an unchanged one is not', () => {
  let reads = 0;
  let resources = [policy('p', { direction: 'egress', action: 'deny' })];
  const repository = { revision: 1, all: () => (reads++, resources) };
  const ask80 = () => explain({ repository, from: web, to: pod('shop', { app: 'cart' }), protocol: 6, port: 80, options: DEFAULT_POLICY_OPTIONS }).verdict;
  expect([ask80(), ask80(), reads]).toEqual(['denied', 'denied', 1]);
  resources = [];
  repository.revision = 2;
  expect([ask80(), reads]).toEqual(['allowed', 2]);
});

