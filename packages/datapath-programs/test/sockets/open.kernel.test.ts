import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { queryCgroup } from 'libbpf-napi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cleanupDatapath, openDatapath, openSocketLoadBalancer, SOCKET_HOOKS } from '../../src/index.ts';
import { SocketRig } from './rig.ts';

let rig: SocketRig;
beforeEach(async () => void (rig = await SocketRig.open()));
afterEach(() => rig.close());

const attached = (cgroup: string): number[][] => SOCKET_HOOKS.map(([, type]) => [...queryCgroup({ cgroup, type }).programIds]);
const own = (): number[][] => SOCKET_HOOKS.map(([program]) => [rig.loadBalancer.programs[program].info.id]);

describe('openSocketLoadBalancer', () => {
  it('attaches every program, and leaves them attached', () => {
    expect(attached(rig.cgroup)).toEqual(own());
    rig.loadBalancer.close();
    rig.loadBalancer.close();
    expect(attached(rig.cgroup).flat()).toHaveLength(SOCKET_HOOKS.length);
  });

  it('replaces its own programs, none of them twice, and keeps what sockets are connected to', async () => {
    const before = own();
    rig.tables.backend(1, '10.1.0.1', 8080);
    rig.tables.service({ id: 1, address: '10.96.0.1', port: 53, run: [1] });
    const client = rig.peer();
    const { handle } = await client.ask('udp');
    await client.ask('udpConnect', { handle, address: '10.96.0.1', port: 53 });
    await rig.load();
    expect(attached(rig.cgroup)).toEqual(own());
    expect(own()).not.toEqual(before);
    expect(await client.ask('peer', { handle })).toEqual({ peer: '10.96.0.1|53' });
  });

  it('moves to another cgroup, also when that one has gone', async () => {
    const other = rig.addCgroup();
    await rig.load({}, other);
    expect([attached(rig.cgroup).flat(), attached(other)]).toEqual([[], own()]);
    rmdirSync(other);
    await rig.load();
    expect(attached(rig.cgroup)).toEqual(own());
  });

  it('refuses what is no cgroup, saying what is needed', async () => {
    await expect(openSocketLoadBalancer({}, { bpfRoot: rig.bpfRoot, cgroup: dirname(rig.bpfRoot) })).rejects.toMatchObject({ code: 'layout-mismatch' });
    await expect(rig.load({}, dirname(rig.bpfRoot))).rejects.toMatchObject({ code: 'attach-failed', message: expect.stringMatching(/cgroup2/) });
  });

  it('detaches, and nothing is left of it after a cleanup', async () => {
    rig.loadBalancer.detach();
    rig.loadBalancer.detach();
    expect(attached(rig.cgroup).flat()).toEqual([]);
    await rig.load();
    rig.loadBalancer.close();
    expect(cleanupDatapath({ bpfRoot: rig.bpfRoot }).pins.length).toBeGreaterThan(SOCKET_HOOKS.length);
    expect(existsSync(`${rig.bpfRoot}/links`)).toBe(false);
    expect(attached(rig.cgroup).flat()).toEqual([]);
    await rig.load();
  });

  it('shares its maps with the programs of endpoints, whichever comes first', async () => {
    const sizes = { cilium_sockets: 16_384, cilium_frontends: 1024, cilium_affinities: 1024, cilium_addresses: 1024, cilium_prefixes: 1024, cilium_remotes: 2048, cilium_flows: 1024, cilium_policy: 1024, cilium_rows: 1024, cilium_events: 65_536 };
    const datapath = await openDatapath({}, { bpfRoot: rig.bpfRoot, sizes, config: { jiffiesPerSecond: 250 } });
    for (const name of ['cilium_frontends', 'cilium_services', 'cilium_addresses'] as const) expect(datapath.maps[name].info.id).toBe(rig.loadBalancer.maps[name].info.id);
    await datapath.close();
    expect(readdirSync(`${rig.bpfRoot}/programs`)).toEqual(expect.arrayContaining(['cil_from_container', 'cil_sock4_connect']));
  });
});
