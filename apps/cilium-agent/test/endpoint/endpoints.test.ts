import { parseCidr, parseIp, parseMac } from '@cilium-ts/core';
import { createLabelFilter, labelSet, numericIdentity } from '@cilium-ts/identity';
import { describe, expect, it } from 'vitest';
import { endpointFromRecord, hostDeviceName, randomMac, withState } from '../../src/endpoint/endpoint.ts';
import { createEndpointTable } from '../../src/endpoint/endpoint-table.ts';
import { endpointView } from '../../src/endpoint/endpoint-view.ts';
import { checkOptions, requestedAddress, requestedMac } from '../../src/endpoint/endpoint-request.ts';
import { endpointLabels } from '../../src/endpoint/labels.ts';
import { createKeyedMutex } from '../../src/endpoint/mutex.ts';
import { containerRequests, hostRequests, linkLocal } from '../../src/endpoint/wiring.ts';

const filter = createLabelFilter();
const labels = (user: string[], namespace?: string) => endpointLabels(user, { namespace, clusterName: 'default', filter });
const endpoint = (id: number, name = `pod${id}`) =>
  endpointFromRecord(
    {
      version: 1, id, slot: id - 1, phase: 'ready', created: '', name, podName: `default/${name}`, namespace: 'default', labels: ['k8s:app=x'], identity: 300, options: {},
      netns: { path: `/run/netns/${name}`, id: `4:${id}` }, ipv4: `10.0.0.${id}`, ipv6: `fd00::${id}`,
      device: { name: hostDeviceName(id, 'x'), index: 10_000 + id, mac: '02:00:00:00:00:01', containerName: 'eth0', containerMac: '02:00:00:00:00:02', mtu: 1500 },
    },
    { labels: labels(['app=x']), identity: { id: numericIdentity(300), labels: labelSet(['k8s:app=x']) }, state: 'ready' },
  );

describe('endpointLabels', () => {
  it('takes labels without a source for k8s ones, and adds namespace and cluster', () => {
    const { user, relevant, namespace } = labels(['app=web', 'container:x=y'], 'shop');
    expect(user).toEqual(['k8s:app=web', 'container:x=y']);
    expect(relevant.toStrings()).toEqual(expect.arrayContaining(['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop', 'k8s:io.cilium.k8s.policy.cluster=default']));
    expect(namespace).toBe('shop');
  });

  it('keeps apart what makes no identity', () => {
    const { relevant, disabled } = labels(['app=web', 'pod-template-hash=abc']);
    expect(relevant.toStrings()).not.toContain('k8s:pod-template-hash=abc');
    expect(disabled).toEqual(['k8s:pod-template-hash=abc']);
  });

  it('is init without labels', () => { expect(labels([]).relevant.toStrings()).toEqual(['reserved:init']); });

  it.each([['reserved:host'], ['cidr:10.0.0.0/8']])('refuses %s', (label) => { expect(() => labels([label])).toThrow(/given by the agent only/); });
  it('refuses a namespace label that contradicts the namespace', () => { expect(() => labels(['io.kubernetes.pod.namespace=a'], 'b')).toThrow(/contradicts/); });
});

describe('the endpoint table', () => {
  it('finds by every form, tells listeners, and forgets', () => {
    const table = createEndpointTable();
    const seen: string[] = [];
    table.listen((before, after) => seen.push(`${before?.id ?? '-'}>${after?.id ?? '-'}`));
    table.put(endpoint(1));
    table.put(endpoint(2));
    for (const form of ['2', 'cilium-local:2', 'container-name:pod2', 'pod-name:default/pod2', 'ipv4:10.0.0.2', 'ipv6:fd00::2']) expect(table.find(form).id).toBe(2);
    expect([table.bySlot(0)?.id, table.byDevice(10_002)?.id, table.byAddress('fd00::1')?.id]).toEqual([1, 2, 1]);
    expect(table.update(3, (each) => each)).toBeUndefined();
    table.delete(2);
    expect([table.byAddress('10.0.0.2'), table.size]).toEqual([undefined, 1]);
    expect(() => table.find('2')).toThrow(/no endpoint 2/);
    expect(() => table.find('x:2')).toThrow(/neither a number nor/);
    expect(seen).toEqual(['->1', '->2', '2>-']);
  });
});

describe('requests', () => {
  const node = { enabled: true, range: parseCidr('10.0.0.0/24')! };
  it.each(['10.0.0.0', '10.0.0.255', '127.0.0.1', '224.0.0.1', '0.0.0.0', '169.254.1.1', '10.0.0', 'fd00::1'])('refuse the IPv4 address %s', (text) => { expect(() => requestedAddress(text, 4, node)).toThrow(/addressing.ipv4/); });
  it.each(['ff02::1', '::', '::1', 'fe80::5', '10.0.0.1'])('refuse the IPv6 address %s', (text) => { expect(() => requestedAddress(text, 6, { enabled: true, range: parseCidr('fd00::/64')! })).toThrow(/addressing.ipv6/); });
  it('take a usable one, inside the range or not, unless its family is off', () => {
    expect(requestedAddress('10.0.0.7', 4, node)?.text).toBe('10.0.0.7');
    expect(requestedAddress('192.0.2.1', 4, node)?.text).toBe('192.0.2.1');
    expect(() => requestedAddress('10.0.0.7', 4, { ...node, enabled: false })).toThrow(/IPv4 is off/);
  });
  it('check MAC addresses and options', () => {
    expect(requestedMac('02:00:00:00:00:09')?.text).toBe('02:00:00:00:00:09');
    for (const text of ['x', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00']) expect(() => requestedMac(text)).toThrow(/mac is/);
    expect(() => { checkOptions({ PolicyAuditMode: 'On' }); }).toThrow(/has to be one of Enabled, Disabled/);
  });
});

describe('wiring', () => {
  it('makes the link-local address the kernel would make', () => {
    expect(linkLocal(parseMac('c6:0d:c1:6b:8f:40')!).text).toBe('fe80::c40d:c1ff:fe6b:8f40');
    expect(linkLocal(parseMac('02:00:00:00:00:01')!).text).toBe('fe80::ff:fe00:1');
  });

  it('sets up only the families there are', () => {
    const ipv4 = parseIp('10.0.0.2')!;
    const [router4, mac] = [parseIp('10.0.0.1')!, parseMac('02:00:00:00:00:01')!];
    const operations = [...containerRequests(5, mac, { ipv4, router4 }), ...hostRequests(6, mac, { ipv4, router4 })].map(({ operation }) => operation);
    expect(operations.some((operation) => operation.includes('::'))).toBe(false);
    expect(operations.at(-1)).toContain('neighbour 10.0.0.2');
  });

  it('uses random local unicast MAC addresses', () => {
    for (let at = 0; at < 50; at++) expect(randomMac().bytes[0]! & 0x03).toBe(2);
    expect(hostDeviceName(1, 'a')).toMatch(/^lxc[0-9a-f]{12}$/);
    expect(hostDeviceName(1, 'a')).not.toBe(hostDeviceName(2, 'a'));
  });
});

describe('endpointView', () => {
  const context = { revision: 7, audit: false };
  it('shows policy in force beside policy asked for', () => {
    const view = endpointView({ ...endpoint(1), installed: true, realizedRevision: 5, enforced: { ingress: true, egress: false } }, context);
    expect(view.status.policy).toMatchObject({ spec: { 'policy-revision': 7 }, realized: { 'policy-revision': 5, 'policy-enabled': 'ingress' } });
    expect(view.status.health.overallHealth).toBe('OK');
    expect(endpointView({ ...endpoint(1), enforced: { ingress: true, egress: true } }, { ...context, audit: true }).status.policy.spec['policy-enabled']).toBe('audit-both');
  });

  it.each([
    ['a policy that did not fit', { failure: { reason: 'rows-full', effect: 'kept-old-policy', message: 'm' } }, 'not-ready', 'Warning'],
    ['a lock-down for want of room', { failure: { reason: 'rows-full', effect: 'locked-down', message: 'm' } }, 'not-ready', 'Failure'],
    ['a lock-down on purpose', { lockdown: 'why' }, 'not-ready', 'Failure'],
    ['a device that is down', { device: 'down' }, 'ready', 'Disabled'],
  ] as const)('says so with %s', (_, change, state, health) => {
    const { status } = endpointView({ ...endpoint(1), installed: true, ...change }, context);
    expect([status.state, status.health.overallHealth]).toEqual([state, health]);
  });

  it('keeps a bounded history', () => {
    let each = endpoint(1);
    for (let at = 0; at < 300; at++) each = withState(each, 'ready', String(at));
    expect(each.log.length).toBe(128);
    expect(each.log.at(-1)?.message).toBe('299');
  });
});

describe('createKeyedMutex', () => {
  it('lets one through at a time for each key, also after a failure', async () => {
    const exclusively = createKeyedMutex();
    const order: string[] = [];
    const job = (name: string, fails = false) => async () => {
      order.push(`${name}+`);
      await new Promise((resolve) => { setTimeout(resolve, 2); });
      order.push(`${name}-`);
      if (fails) throw new Error(name);
    };
    await Promise.allSettled([exclusively(1, job('a', true)), exclusively(1, job('b')), exclusively(2, job('c'))]);
    expect(order.filter((each) => !each.startsWith('c'))).toEqual(['a+', 'a-', 'b+', 'b-']);
    expect(order.indexOf('c+')).toBeLessThan(order.indexOf('a-'));
  });
});
