import { parseCidr, parseIp } from '@cilium-ts/core';
import { labelSet, selector } from '@cilium-ts/identity';
import { describe, expect, test } from 'vitest';
import type { CidrGroupPeer, Peer, PolicyResource } from '../../src/index.ts';
import { createPolicyDirectory } from '../../src/index.ts';
import { identity, outside, pod, reserved } from '../helpers/identities.ts';
import { app, compiled, everybody, port, prefix, resource } from '../helpers/compiled-rules.ts';

const at = { line: 1, column: 1, field: '' };
const db = pod('shop', { app: 'db' });
const web = pod('shop', { app: 'web' });
const bankWeb = pod('bank', { app: 'web' });
const service = (name: string, namespace = 'shop'): Peer => ({ kind: 'service', service: { name, namespace }, at });
const cidrs = (...texts: string[]) => texts.map((text) => parseCidr(text)!);
const to = (peer: Peer) => resource('rules', { direction: 'egress', peers: [peer] });

describe('services', () => {
  test('by name: the pods that they select, in their namespace', () => {
    const directory = createPolicyDirectory();
    const { verdict } = compiled([to(service('front'))], { directory });
    expect(verdict('egress', db, web).action).toBe('deny-default');
    directory.setService({ namespace: 'shop', name: 'front', selector: { app: 'web' } });
    expect(verdict('egress', db, web).action).toBe('allow');
    expect(verdict('egress', db, bankWeb).action).toBe('deny-default');
    expect(verdict('egress', db, pod('shop', { app: 'web' }, 'other')).action).toBe('allow');
    directory.setService({ namespace: 'shop', name: 'front', selector: { app: 'other' } });
    expect(verdict('egress', db, web).action).toBe('deny-default');
    directory.setService({ namespace: 'shop', name: 'front', selector: { app: 'web' } });
    directory.removeService('shop', 'front');
    expect(verdict('egress', db, web).action).toBe('deny-default');
  });

  test('without selector: the addresses behind them, outside of the cluster', () => {
    const directory = createPolicyDirectory();
    const { verdict, repository } = compiled([to(service('db'))], { directory });
    directory.setService({ namespace: 'shop', name: 'db', addresses: [parseIp('203.0.113.7')!, parseCidr('2001:db8:c::/64')!] });
    expect(verdict('egress', db, outside('203.0.113.7/32')).action).toBe('allow');
    expect(verdict('egress', db, outside('2001:db8:c::1/128')).action).toBe('allow');
    expect(verdict('egress', db, outside('203.0.113.0/24')).action).toBe('deny-default');
    expect(repository.prefixes().map(({ text }) => text)).toEqual(['203.0.113.7/32', '2001:db8:c::/64']);
    directory.setService({ namespace: 'shop', name: 'db', selector: { app: 'web' }, addresses: [parseIp('203.0.113.7')!] });
    expect(verdict('egress', db, outside('203.0.113.7/32')).action).toBe('deny-default');
  });

  test('by their labels, in one namespace or in all', () => {
    const directory = createPolicyDirectory();
    directory.setService({ namespace: 'shop', name: 'a', labels: { tier: 'x' }, selector: { app: 'web' } });
    directory.setService({ namespace: 'bank', name: 'b', labels: { tier: 'x' }, selector: { app: 'web' } });
    const labelled = selector([{ source: 'any', key: 'tier', operator: 'In', values: ['x'] }]);
    const all = compiled([to({ kind: 'service', service: { selector: labelled }, at })], { directory });
    const one = compiled([to({ kind: 'service', service: { selector: labelled, namespace: 'bank' }, at })], { directory });
    expect([web, bankWeb].map((peer) => all.verdict('egress', db, peer).action)).toEqual(['allow', 'allow']);
    expect([web, bankWeb].map((peer) => one.verdict('egress', db, peer).action)).toEqual(['deny-default', 'allow']);
  });

  test('can be denied', () => {
    const directory = createPolicyDirectory();
    directory.setService({ namespace: 'shop', name: 'front', selector: { app: 'web' } });
    const { verdict } = compiled([resource('rules', { direction: 'egress', action: 'deny', peers: [service('front')] }, { direction: 'egress' })], { directory });
    expect([web, bankWeb].map((peer) => verdict('egress', db, peer).action)).toEqual(['deny', 'allow']);
  });
});

describe('groups of prefixes', () => {
  const group = (name: string, labels: string[], ...prefixes: string[]): PolicyResource => ({ ...resource(name), kind: 'CiliumCIDRGroup', key: `CiliumCIDRGroup//${name}`, group: { prefixes: cidrs(...prefixes), labels: labelSet(labels) } });
  const peer = (meant: CidrGroupPeer['group'], ...except: string[]): Peer => ({ kind: 'cidr-group', group: meant, except: cidrs(...except), at });
  const [lan, host, other] = [outside('10.0.0.0/8'), outside('10.1.0.1/32', ['10.0.0.0/8']), outside('192.0.2.0/24')];

  test('by name, as they are at the time', () => {
    const { verdict, repository } = compiled([to(peer({ name: 'a' })), group('b', [], '192.0.2.0/24')]);
    const actions = () => [lan, host, other].map((one) => verdict('egress', db, one).action);
    expect(actions()).toEqual(['deny-default', 'deny-default', 'deny-default']);
    repository.upsert(group('a', [], '10.0.0.0/8', '192.0.2.0/24'));
    expect(actions()).toEqual(['allow', 'allow', 'allow']);
    expect(repository.prefixes().map(({ text }) => text)).toEqual(['10.0.0.0/8', '192.0.2.0/24']);
    repository.upsert(group('a', [], '10.1.0.0/16'));
    expect(actions()).toEqual(['deny-default', 'allow', 'deny-default']);
    repository.remove('CiliumCIDRGroup//a');
    expect(actions()).toEqual(['deny-default', 'deny-default', 'deny-default']);
  });

  test('by labels', () => {
    const labelled = selector([{ source: 'any', key: 'zone', operator: 'In', values: ['x'] }]);
    const { verdict, repository } = compiled([to(peer({ selector: labelled })), group('a', ['k8s:zone=x'], '10.0.0.0/8'), group('b', ['k8s:zone=y'], '192.0.2.0/24')]);
    expect([lan, other].map((one) => verdict('egress', db, one).action)).toEqual(['allow', 'deny-default']);
    repository.upsert(group('b', ['k8s:zone=x'], '192.0.2.0/24'));
    expect([lan, other].map((one) => verdict('egress', db, one).action)).toEqual(['allow', 'allow']);
  });

  test('with exceptions, whichever prefix of the group an address is in', () => {
    const { verdict, repository } = compiled([to(peer({ name: 'a' }, '10.1.0.0/16')), group('a', [], '10.0.0.0/8', '10.1.0.0/24', '192.0.2.0/24')]);
    expect([lan, host, other].map((one) => verdict('egress', db, one).action)).toEqual(['allow', 'deny-default', 'allow']);
    expect(repository.prefixes().map(({ text }) => text)).toEqual(['10.0.0.0/8', '10.1.0.0/16', '10.1.0.0/24', '192.0.2.0/24']);
  });

  test("a cloud provider's are fed in", () => {
    const directory = createPolicyDirectory();
    const { verdict, repository } = compiled([to({ kind: 'group', group: 'aws:sg-1', at })], { directory });
    expect(verdict('egress', db, lan).action).toBe('deny-default');
    directory.setGroup('aws:sg-1', cidrs('10.0.0.0/8'));
    expect(verdict('egress', db, lan).action).toBe('allow');
    expect(repository.prefixes().map(({ text }) => text)).toEqual(['10.0.0.0/8']);
    directory.setGroup('aws:sg-1', []);
    expect(verdict('egress', db, lan).action).toBe('deny-default');
  });
});

describe('names of the DNS', () => {
  test('choose addresses that carry their label', () => {
    const { verdict, repository } = compiled([
      resource('a', { direction: 'egress', peers: [{ kind: 'fqdn', selector: { pattern: '*.example.com.' }, at }] }),
      resource('b', { direction: 'egress', peers: [{ kind: 'fqdn', selector: { name: 'a.example.com.' }, at }, { kind: 'fqdn', selector: { pattern: '*.example.com.' }, at }] }),
    ]);
    const named = identity(16777500, ['cidr:203.0.113.9/32', 'fqdn:*.example.com.', 'reserved:world-ipv4']);
    expect(verdict('egress', db, named).action).toBe('allow');
    expect(verdict('egress', db, outside('203.0.113.9/32')).action).toBe('deny-default');
    expect(repository.fqdnSelectors()).toEqual([{ pattern: '*.example.com.' }, { name: 'a.example.com.' }]);
  });
});

describe('named ports', () => {
  const http = (number: number, protocol = 6) => ({ name: 'http', protocol, port: number });

  test('of ingress are those of the endpoint itself', () => {
    const directory = createPolicyDirectory();
    const rules = [resource('rules', { peers: [app('web')], ports: [port('http')] })];
    const { verdict } = compiled(rules, { directory });
    expect(verdict('ingress', db, web, 8080).action).toBe('deny-default');
    directory.setNamedPorts(web.id, [http(8080)]);
    expect(verdict('ingress', db, web, 8080).action).toBe('deny-default');
    directory.setNamedPorts(db.id, [http(8080), http(8081), http(9999, 17)]);
    expect([8080, 8081, 9999].map((number) => verdict('ingress', db, web, number).action)).toEqual(['allow', 'allow', 'deny-default']);
    expect(verdict('ingress', db, pod('shop', { app: 'queue' }), 8080).action).toBe('deny-default');
    const own = compiled(rules, { directory, namedPorts: [{ name: 'HTTP', protocol: 6, port: 7 }] });
    expect([7, 8080].map((number) => own.verdict('ingress', db, web, number).action)).toEqual(['allow', 'deny-default']);
    expect(compiled(rules, { directory, namedPorts: [] }).verdict('ingress', db, web, 8080).action).toBe('deny-default');
    directory.setNamedPorts(db.id, []);
    expect(verdict('ingress', db, web, 8080).action).toBe('deny-default');
  });

  test('of egress are those of each peer', () => {
    const directory = createPolicyDirectory();
    const { verdict, policy } = compiled([resource('rules', { direction: 'egress', peers: [app('web')], ports: [port('http')] })], { directory });
    directory.setNamedPorts(web.id, [http(8080)]);
    directory.setNamedPorts(bankWeb.id, [http(9090)]);
    directory.setNamedPorts(db.id, [http(80)]);
    expect([80, 8080, 9090].map((number) => verdict('egress', db, web, number).action)).toEqual(['deny-default', 'allow', 'deny-default']);
    expect([80, 8080, 9090].map((number) => verdict('egress', db, bankWeb, number).action)).toEqual(['deny-default', 'deny-default', 'allow']);
    expect(policy(db, db).egress.byIdentity.size).toBe(0);
  });

  test('for everybody open each peer where it has the name', () => {
    const directory = createPolicyDirectory();
    const { verdict } = compiled([resource('rules', { direction: 'egress', peers: [everybody], ports: [port('http')] }, { direction: 'egress', action: 'deny', peers: [prefix('203.0.113.0/24')], ports: [port('http')] })], { directory });
    directory.setNamedPorts(web.id, [http(8080)]);
    expect(verdict('egress', db, web, 8080)).toEqual({ action: 'allow', match: 3 });
    expect(verdict('egress', db, bankWeb, 8080).action).toBe('deny-default');
    expect(verdict('egress', db, outside('203.0.113.7/32'), 8080).action).toBe('deny-default');
  });

  test('of the node count beside what it may do anyway', () => {
    const directory = createPolicyDirectory();
    directory.setNamedPorts(db.id, [http(8080)]);
    const { verdict } = compiled([resource('rules', { action: 'deny', ports: [port('http')] })], { directory, options: { allowLocalhost: true } });
    expect([8080, 8081].map((number) => verdict('ingress', db, reserved('host'), number).action)).toEqual(['deny', 'allow']);
  });
});
