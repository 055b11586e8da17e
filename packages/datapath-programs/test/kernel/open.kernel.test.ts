import { silentLogger } from '@cilium-ts/core';
import { createDatapathRig, ethernet, icmp, ipv4, ipv6, packet, tcp, type DatapathRig } from '@cilium-ts/testkit';
import { attachTc, createClsact, detachTc, queryTc } from 'libbpf-napi';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cleanupDatapath, openDatapath, type Datapath, type DatapathOptions, type DesiredState, type Slot } from '../../src/index.ts';
import { filterSlot } from '../../src/kernel/attach.ts';
import { endpoint, ip, policy, row, world } from '../support/world.ts';

const SIZES = { cilium_flows: 4096, cilium_policy: 1024, cilium_rows: 4096, cilium_addresses: 1024, cilium_prefixes: 1024, cilium_remotes: 2048, cilium_events: 65_536 };
const web = policy({ ingressAny: row(), ingress: { 300: row(80) } });
const client = policy({});
const mac = (slot: number): string => `02:00:00:00:00:0${slot}`;
const device = (slot: number): number => 10_000 + slot;
const dual = (slot: number, identity: number, what: Parameters<typeof endpoint>[2]) => endpoint(slot, identity, what, { ifindex: device(slot), ipv6: ip(`fd00::${slot}`) });

let rig: DatapathRig<Datapath>;
const options = (bpfRoot: string, more: Partial<DatapathOptions> = {}): DatapathOptions => ({ bpfRoot, sizes: SIZES, config: { jiffiesPerSecond: 250 }, ...more });

beforeEach(async () => {
  rig = await createDatapathRig((bpfRoot) => openDatapath({ logger: silentLogger }, options(bpfRoot)));
  for (const slot of [1, 2]) await rig.addDevice(device(slot));
});
afterEach(() => rig.close());

const state = (target = web): DesiredState => world([dual(1, 300, client), dual(2, 400, target)]);
function verdict(port: number, family: 4 | 6 = 4, sourcePort = 40_000): string {
  const header = family === 4 ? ipv4({ source: '10.0.0.1', destination: '10.0.0.2' }) : ipv6({ source: 'fd00::1', destination: 'fd00::2' });
  return rig.run('fromContainer', packet(ethernet({ source: mac(1), destination: mac(1) }), header, tcp({ sourcePort, destinationPort: port })), { ifindex: device(1) }).verdict;
}

describe('openDatapath', () => {
  it('enforces what is applied, IPv4 and IPv6 alike, and can be asked about it', async () => {
    expect(verdict(80)).toBe('drop');
    expect(await rig.datapath.apply(state())).toMatchObject({ failures: [], switched: false });
    expect([verdict(80), verdict(443), verdict(80, 6), verdict(443, 6)]).toEqual(['redirect', 'drop', 'redirect', 'drop']);
    expect(rig.datapath.dumpFlows()).toMatchObject([{ allowed: true, destination: { port: 80, slot: 2 } }, { allowed: true }]);
    expect(rig.datapath.dumpPolicy(2 as Slot)).toContainEqual(expect.objectContaining({ direction: 'ingress', identity: 300 }));
    expect(rig.datapath.dumpAddresses().map(({ cidr }) => cidr).sort()).toEqual(['10.0.0.1/32', '10.0.0.2/32', 'fd00::1/128', 'fd00::2/128']);
    expect(rig.datapath.metrics()).toContainEqual(expect.objectContaining({ reason: 133, direction: 'ingress', packets: 2n }));
  });

  it('without endpoints makes the maps that others share, and has no program verified', async () => {
    const bpfRoot = join(rig.bpfRoot, 'alone');
    await using datapath = await openDatapath({}, options(bpfRoot, { endpoints: false }));
    try {
      expect([existsSync(join(bpfRoot, 'cilium_flows')), readdirSync(join(bpfRoot, 'programs'))]).toEqual([true, []]);
      expect(await datapath.apply(world([]))).toMatchObject({ failures: [] });
      expect(() => datapath.programs.fromContainer).toThrow('opened without the programs of endpoints');
      expect(() => datapath.attach(1 as Slot, device(1))).toThrow('opened without the programs of endpoints');
      expect((await datapath.services()).dump()).toEqual([]);
    } finally {
      cleanupDatapath({ bpfRoot });
    }
  });

  it('reports what happened', async () => {
    await rig.datapath.apply(state());
    verdict(443);
    const stop = new AbortController();
    for await (const { events } of rig.datapath.events({ signal: stop.signal })) {
      expect(events).toContainEqual(expect.objectContaining({ kind: 'drop', reason: { code: 133, text: 'Policy denied' } }));
      break;
    }
    stop.abort();
  });

  it('finds everything again after a restart, changes nothing, and goes on from there', async () => {
    await rig.datapath.apply(state());
    expect(verdict(80)).toBe('redirect');
    const again = await rig.reopen();
    expect(again.restored).toMatchObject({ found: true });
    expect([...again.restored.endpoints.values()]).toMatchObject([{ id: 101, identity: 300 }, { id: 102, identity: 400, ipv6: { text: 'fd00::2' } }]);
    expect(verdict(80)).toBe('redirect');
    expect(await again.apply(state())).toMatchObject({ changed: false, switched: false });
    expect(again.dumpFlows()).toHaveLength(1);
    expect(await again.apply(state(policy({ ingressAny: row(443) })))).toMatchObject({ switched: true });
    expect([verdict(80), verdict(443)]).toEqual(['drop', 'redirect']);
  });

  it('switches many times without leaving anything behind', async () => {
    await rig.datapath.apply(state());
    for (let i = 1; i <= 50; i++) {
      const port = 1000 + i;
      expect(await rig.datapath.apply(state(policy({ ingressAny: row(), ingress: { 300: row(port) } })))).toMatchObject({ switched: true, failures: [] });
      expect([verdict(port, 4, 30_000 + i), verdict(port - 1, 4, 30_000 + i)]).toEqual(['redirect', 'drop']);
    }
    await rig.datapath.settled();
    expect([...rig.datapath.maps.cilium_policy.entries()]).toHaveLength(1);
  });

  it('refuses pinned maps of another size, naming the map and the remedy', async () => {
    await rig.datapath.close();
    await expect(openDatapath({}, options(rig.bpfRoot, { sizes: { ...SIZES, cilium_policy: 2048 } }))).rejects.toThrow(/cilium_policy.*1024.*2048.*cleanup/);
  });

  it('refuses configuration that does not exist or fit', async () => {
    await expect(openDatapath({}, options(rig.bpfRoot, { config: { worldIpv4: -1 } }))).rejects.toThrow(RangeError);
    await expect(openDatapath({}, options(rig.bpfRoot, { config: { wrong: 1 } as never }))).rejects.toThrow(/config\.wrong/);
  });

  it('measures the clock of the kernel when it is not told', async () => {
    await rig.datapath.close();
    const measured = await openDatapath({}, { bpfRoot: rig.bpfRoot, sizes: SIZES });
    await measured.close();
  });

  it('answers an echo request by policy', async () => {
    await rig.datapath.apply(state());
    const echo = packet(ethernet({ source: mac(1), destination: mac(1) }), ipv4({ source: '10.0.0.1', destination: '10.0.0.2' }), icmp({ type: 8, id: 7 }));
    expect(rig.run('fromContainer', echo, { ifindex: device(1) }).verdict).toBe('drop');
  });
});

describe('attach', () => {
  it('replaces its own filters, leaves those of others, and detaches', () => {
    rig.node.run(() => {
      createClsact(device(1));
      attachTc({ ifindex: device(1), direction: 'ingress', program: rig.datapath.programs.toContainer, priority: 1, handle: 1 });
      expect(rig.datapath.attach(1 as Slot, device(1))).toMatchObject([{ direction: 'ingress', handle: 1, priority: 1 }]);
      expect(rig.datapath.attach(1 as Slot, device(1))).toHaveLength(1);
      expect(queryTc(filterSlot(device(1), 'ingress'))?.programId).toBe(rig.datapath.programs.fromContainer.info.id);
      rig.datapath.detach(device(1));
      expect(queryTc(filterSlot(device(1), 'ingress'))).toBeUndefined();
      expect(detachTc({ ifindex: device(1), direction: 'ingress', priority: 1, handle: 1 })).toBe(true);
      rig.datapath.detach(device(1));
    });
  });

  it('says which device it could not be attached to', () => {
    rig.node.run(() => expect(() => rig.datapath.attach(1 as Slot, 4_242)).toThrow(/device 4242/));
    rig.node.run(() => rig.datapath.detach(4_242));
  });
});

describe('cleanupDatapath', () => {
  it('removes pins and filters, and does nothing the second time', async () => {
    rig.node.run(() => rig.datapath.attach(1 as Slot, device(1)));
    await rig.datapath.close();
    const report = rig.node.run(() => cleanupDatapath({ bpfRoot: rig.bpfRoot, ifindexes: [device(1), device(2)] }));
    expect(report.ifindexes).toEqual([device(1)]);
    expect(report.pins).toContain(`${rig.bpfRoot}/cilium_policy`);
    expect(existsSync(`${rig.bpfRoot}/cilium_policy`)).toBe(false);
    rig.node.run(() => expect(queryTc(filterSlot(device(1), 'egress'))).toBeUndefined());
    expect(rig.node.run(() => cleanupDatapath({ bpfRoot: rig.bpfRoot, ifindexes: [device(1)] }))).toEqual({ pins: [], ifindexes: [] });
  });
});
