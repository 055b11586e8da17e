import { decodeBytes, encodeBytes, memoryMap, type RawMap } from '@cilium-ts/bpf-maps';
import { ipToKey16, parseCidr, parseIp } from '@cilium-ts/core';
import { MAPS, NAT_FLAG, natEntry, natKey, nodeDevice } from '@cilium-ts/datapath-layout';
import { beforeEach, describe, expect, test } from 'vitest';
import { createNodeTables, type NodeDevice, type NodeTableStore } from '../../src/netdev/tables.ts';

const ip = (text: string) => parseIp(text)!;
const cidrs = (...texts: string[]) => texts.map((text) => parseCidr(text)!);
const map = (name: 'cilium_node_devices' | 'cilium_ipmasq' | 'cilium_nat'): RawMap => {
  const { keySize, valueSize, maxEntries } = MAPS[name];
  return memoryMap({ type: 'hash', keySize, valueSize, maxEntries });
};

let log: string[];
let store: NodeTableStore;

/** Notes what is written, in order. */
function noted(name: string, inner: RawMap): RawMap {
  return new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      if (property === 'update' || property === 'delete') return (...args: unknown[]) => {
        log.push(`${name} ${property}`);
        return (value as (...all: unknown[]) => unknown).apply(target, args);
      };
      return value.bind(target) as unknown;
    },
  });
}

beforeEach(() => {
  log = [];
  store = {
    devices: noted('device', map('cilium_node_devices')), exclusions: noted('exclusion', map('cilium_ipmasq')), nat: noted('nat', map('cilium_nat')),
    gracePeriod: async () => { log.push('grace'); },
  };
});

const ETH0: NodeDevice = { ifindex: 2, ipv4: ip('192.0.2.1'), ipv6: ip('2001:db8::1'), masquerade: { ipv4: true } };
const ETH1: NodeDevice = { ifindex: 3, ipv4: ip('198.51.100.1') };

describe('devices', () => {
  test('are written with their addresses and flags, and only where they differ', async () => {
    const tables = createNodeTables(store);
    await tables.setDevices([ETH0, ETH1]);
    const written = new Map(Array.from(store.devices.entries(), ([key, value]) => [new DataView(key.buffer, key.byteOffset).getUint32(0, true), decodeBytes(nodeDevice, value)]));
    expect(written.get(2)).toMatchObject({ address4: ipToKey16(ip('192.0.2.1')), address6: ipToKey16(ip('2001:db8::1')), flags: 1 });
    expect(written.get(3)).toMatchObject({ address4: ipToKey16(ip('198.51.100.1')), address6: new Uint8Array(16), flags: 0 });
    log = [];
    await tables.setDevices([ETH1, ETH0]);
    expect(log).toEqual([]);
  });

  test('a replaced or removed one rests before the next write', async () => {
    const tables = createNodeTables(store);
    await tables.setDevices([ETH0, ETH1]);
    log = [];
    await Promise.all([tables.setDevices([{ ...ETH0, ipv4: ip('192.0.2.9') }]), tables.setDevices([ETH0, ETH1])]);
    expect(log).toEqual(['device update', 'grace', 'device delete', 'grace', 'device update', 'device update', 'grace']);
  });

  test('connections translated to an address that is gone are forgotten, others are not', async () => {
    const tables = createNodeTables(store);
    await tables.setDevices([ETH0, ETH1]);
    const add = (source: string, destination: string, entry: { readonly source: string; readonly destination: string; readonly flags: number }): void => {
      const key = encodeBytes(natKey, { source: ipToKey16(ip(source)), destination: ipToKey16(ip(destination)), sourcePort: 1, destinationPort: 2, protocol: 6, kind: 0, role: 0 });
      store.nat.update(key, encodeBytes(natEntry, { source: ipToKey16(ip(entry.source)), destination: ipToKey16(ip(entry.destination)), sourcePort: 3, destinationPort: 2, service: 0, flags: entry.flags, backend: 0, generation: 0, lastSeen: 0, state: 0, reserved: [0, 0] }));
    };
    const both = NAT_FLAG.ALLOCATED | NAT_FLAG.REPLY;
    for (const [pod, node] of [['10.0.0.1', '192.0.2.1'], ['10.0.0.2', '198.51.100.1']] as const) {
      add(pod, '203.0.113.1', { source: node, destination: '203.0.113.1', flags: NAT_FLAG.ALLOCATED });
      add('203.0.113.1', node, { source: '203.0.113.1', destination: pod, flags: both });
    }
    add('203.0.113.5', '192.0.2.1', { source: '203.0.113.5', destination: '10.0.0.1', flags: NAT_FLAG.SERVICE });
    await tables.setDevices([{ ...ETH0, ipv4: ip('192.0.2.9') }, ETH1]);
    expect(log.filter((each) => each === 'nat delete')).toHaveLength(2);
    expect([...store.nat.entries()]).toHaveLength(3);
    await tables.setDevices([ETH1]);
    expect([...store.nat.entries()]).toHaveLength(3);
  });
});

test('exclusions are replaced: what is new first, what goes last', async () => {
  const tables = createNodeTables(store);
  await tables.setExclusions(cidrs('10.0.0.0/8', 'fd00::/8'));
  await tables.setExclusions(cidrs('fd00::/8', '192.168.0.0/16'));
  expect(log).toEqual(['exclusion update', 'exclusion update', 'exclusion update', 'exclusion delete', 'grace']);
  expect(Array.from(store.exclusions.entries(), ([key]) => new DataView(key.buffer, key.byteOffset).getUint32(0, true)).sort()).toEqual([112, 8]);
});

test('a write that fails is told, and the next call starts from what is there', async () => {
  const tables = createNodeTables(store);
  const update = store.exclusions.update.bind(store.exclusions);
  let fail = true;
  const failing: NodeTableStore = { ...store, exclusions: new Proxy(store.exclusions, { get: (target, property) => (property === 'update' ? (...args: Parameters<RawMap['update']>) => {
    if (fail) throw new Error('full');
    update(...args);
  } : (Reflect.get(target, property) as { bind?: (to: unknown) => unknown }).bind?.(target) ?? Reflect.get(target, property)) }) };
  const broken = createNodeTables(failing);
  await expect(broken.setExclusions(cidrs('10.0.0.0/8'))).rejects.toThrow('full');
  fail = false;
  await broken.setExclusions(cidrs('10.0.0.0/8'));
  expect([...store.exclusions.entries()]).toHaveLength(1);
  await tables.setExclusions([]);
  expect([...store.exclusions.entries()]).toHaveLength(0);
});
