import type { IpAddress } from '@cilium-ts/core';
import { parseIp } from '@cilium-ts/core';
import { describe, expect, test } from 'vitest';
import type { EndpointSlice, LoadBalancerOptions, ServiceFrontend } from '../../src/index.ts';
import { createLoadBalancer, defineService, formatProblem, LoadBalancerError } from '../../src/index.ts';

const ip = (text: string): IpAddress => parseIp(text)!;
const frontend = (address: string, id?: number): ServiceFrontend => ({ kind: 'ClusterIP', address: ip(address), port: 80, protocol: 'TCP', portName: '', ...(id === undefined ? {} : { id }) });
const slice = (service: string, ...addresses: string[]): EndpointSlice => ({
  namespace: 'default',
  service,
  ports: [{ name: '', protocol: 'TCP', port: 8080 }],
  endpoints: addresses.map((address) => ({ addresses: [ip(address)], state: 'active' })),
});
const options: LoadBalancerOptions = { nodeName: 'node-1' };

describe('ids that are asked for', () => {
  test('are given where they are free, survive changes, and are refused where they are taken', () => {
    const balancer = createLoadBalancer(options);
    balancer.upsertService('a', defineService({ name: 'a', frontends: [frontend('10.96.0.1', 77)] }));
    balancer.upsertService('b', defineService({ name: 'b', frontends: [frontend('10.96.0.2', 77)] }));
    expect(balancer.services('a').map(({ spec }) => spec.id)).toEqual([77]);
    expect(balancer.services('b').map(({ spec }) => spec.id)).toEqual([78]);
    expect(balancer.problems().map(formatProblem)).toEqual(["warning: default/b 10.96.0.2:80/TCP: id 77 is another frontend's; it has id 78 (ask for an id that is free)"]);
    balancer.upsertService('a', defineService({ name: 'a', frontends: [frontend('10.96.0.1', 77)], affinityTimeout: 60 }));
    expect(balancer.services('a').map(({ spec, affinityTimeout }) => [spec.id, affinityTimeout])).toEqual([[77, 60]]);
  });
});

describe('restore', () => {
  const found = { id: 9, address: ip('10.96.0.1'), port: 80, protocol: 6, scope: 'external' as const, pool: 4 };

  test('gives frontends, pools and backends what they had, and keeps the rest away until it is released', () => {
    const balancer = createLoadBalancer({ ...options, limits: { services: 2, backends: 2 } });
    balancer.restore({
      services: [found, { ...found, id: 10, address: ip('10.96.0.9') }],
      backends: [{ index: 2, pool: 4, address: ip('10.0.1.1'), port: 8080, protocol: 6 }],
    });
    balancer.upsertService('a', defineService({ name: 'a', frontends: [frontend('10.96.0.1')] }));
    balancer.setEndpoints('a-1', slice('a', '10.0.1.2', '10.0.1.1'));
    balancer.upsertService('b', defineService({ name: 'b', frontends: [frontend('10.96.0.2')], wildcard: false }));
    const { services, backends } = balancer.records();
    expect(services.get(9)?.pool).toBe(4);
    expect(backends.get(2)?.address.text).toBe('10.0.1.1');
    expect(balancer.problems().map(({ code, key }) => `${key} ${code}`)).toEqual(['b services-full']);
    balancer.releaseUnclaimed();
    expect(balancer.problems()).toEqual([]);
  });

  test('ignores ids that no map can hold, and of two with one id takes the first', () => {
    const balancer = createLoadBalancer(options);
    balancer.restore({ services: [{ ...found, id: 0 }, { ...found, id: 5, address: ip('10.96.0.2') }, { ...found, id: 5 }], backends: [] });
    balancer.upsertService('a', defineService({ name: 'a', frontends: [frontend('10.96.0.1'), frontend('10.96.0.2')] }));
    expect(balancer.services('a').map(({ spec }) => [spec.id, spec['frontend-address'].ip])).toEqual([
      [5, '10.96.0.2'],
      [6, '10.96.0.1'],
    ]);
  });

  test('throws restore-too-late once ids were given', () => {
    const balancer = createLoadBalancer(options);
    balancer.upsertService('a', defineService({ name: 'a', frontends: [frontend('10.96.0.1')] }));
    balancer.records();
    expect(() => balancer.restore({ services: [], backends: [] })).toThrow(LoadBalancerError);
  });
});

describe('work', () => {
  test('one endpoint touches its pool and itself, whatever else there is', () => {
    const balancer = createLoadBalancer(options);
    for (let i = 0; i < 50; i++) {
      balancer.upsertService(`s${i}`, defineService({ name: `s${i}`, frontends: [frontend(`10.96.1.${i}`)] }));
      balancer.setEndpoints(`s${i}`, slice(`s${i}`, `10.0.1.${i}`, `10.0.2.${i}`));
    }
    balancer.take();
    balancer.setEndpoints('s7', slice('s7', '10.0.1.7', '10.0.2.7', '10.0.3.7'));
    const { services, pools, backends } = balancer.take();
    expect([services.size, pools.size, backends.size]).toEqual([0, 1, 1]);
    balancer.setEndpoints('s7', slice('s7', '10.0.3.7', '10.0.1.7', '10.0.2.7'));
    const nothing = balancer.take();
    expect([nothing.services.size, nothing.pools.size, nothing.backends.size]).toEqual([0, 0, 0]);
  });

  test('a run is a new array whenever it changes', () => {
    const balancer = createLoadBalancer(options);
    balancer.upsertService('a', defineService({ name: 'a', frontends: [frontend('10.96.0.1')] }));
    balancer.setEndpoints('a', slice('a', '10.0.1.1'));
    const before = [...balancer.records().pools.values()][0]!.run;
    balancer.setEndpoints('a', slice('a', '10.0.1.1', '10.0.1.2'));
    expect([...balancer.records().pools.values()][0]!.run).not.toBe(before);
    expect(before.length).toBe(1);
  });
});

describe('a small map of backends', () => {
  test('has an index for as many as it holds, however often they are replaced', () => {
    const balancer = createLoadBalancer({ ...options, limits: { backends: 3 } });
    balancer.upsertService('a', defineService({ name: 'a', frontends: [frontend('10.96.0.1')] }));
    for (let round = 0; round < 5; round++) {
      balancer.setEndpoints('a-1', slice('a', `10.0.${round}.1`, `10.0.${round}.2`));
      expect(balancer.problems()).toEqual([]);
      expect([...balancer.records().backends.keys()].every((index) => index >= 1 && index <= 3)).toBe(true);
    }
  });
});

describe('a limit that no map can pass', () => {
  test('is not to be raised, and that is said', () => {
    const balancer = createLoadBalancer({ ...options, limits: { services: 65_535 } });
    for (let at = 0; at < 65_536; at++) balancer.upsertService(`s${at}`, defineService({ name: `s${at}`, frontends: [frontend(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`)], wildcard: false }));
    expect(balancer.problems().map(({ code, remedy }) => `${code}: ${remedy}`)).toEqual(['services-full: 65,535 is the most that a node can have: remove services, or spread them over more nodes by node exposure']);
  });
});

describe('misuse', () => {
  test.each<[Partial<LoadBalancerOptions>, RegExp]>([
    [{ nodeName: '' }, /^nodeName: /],
    [{ maglevTableSize: 1000 }, /^maglevTableSize: expected one of 251, /],
    [{ hashSeed: 'short' }, /^hashSeed: expected base64 of 12 bytes/],
    [{ nodePortRange: { first: 3, last: 2 } }, /^nodePortRange: expected two ports/],
    [{ limits: { backends: 2 ** 24 } }, /^limits.backends: expected a whole number from 0 to 16777215, got 16777216$/],
    [{ limits: { services: -1 } }, /^limits.services: expected a whole number/],
    [{ redirectCidrs: ['10.0.0.0/40'] }, /^redirectCidrs: "10.0.0.0\/40" is not a prefix/],
  ])('of option %j throws', (wrong, message) => {
    expect(() => createLoadBalancer({ ...options, ...wrong })).toThrow(message);
  });

  test('of services and slices throws RangeError that names the field, and changes nothing', () => {
    const balancer = createLoadBalancer(options);
    const bad = (change: Partial<ServiceFrontend>) => () => balancer.upsertService('a', defineService({ name: 'a', frontends: [{ ...frontend('10.96.0.1'), ...change }] }));
    expect(bad({ port: 0 })).toThrow(/^service.frontends: expected a port 1–65535, got 0$/);
    expect(bad({ id: 70000 })).toThrow(/^service.frontends: expected an id/);
    expect(() => balancer.upsertService('a', defineService({ name: 'a', frontends: [], affinityTimeout: 2 ** 24 }))).toThrow(/^service.affinityTimeout: /);
    expect(() => balancer.setEndpoints('a', { ...slice('a'), ports: [{ name: '', protocol: 'TCP', port: 65536 }] })).toThrow(/^slice.ports: /);
    expect(() => balancer.setEndpoints('a', { ...slice('a'), endpoints: [{ addresses: [], state: 'active', weight: 1.5 }] })).toThrow(/^slice.endpoints: /);
    expect(balancer.records().services.size).toBe(0);
  });
});
