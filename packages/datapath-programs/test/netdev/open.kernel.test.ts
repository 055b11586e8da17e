import { parseCidr, parseIp } from '@cilium-ts/core';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, type Namespace } from '@cilium-ts/netlink';
import { probe, queryTc, queryTcx } from 'libbpf-napi';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cleanupDatapath, openDatapath, openNodePrograms, type AttachMode, type NodePrograms, type NodeProgramsOptions } from '../../src/index.ts';
import { filterSlot } from '../../src/kernel/attach.ts';

const SIZES = { cilium_flows: 1024, cilium_policy: 256, cilium_rows: 1024, cilium_addresses: 256, cilium_prefixes: 256, cilium_remotes: 512, cilium_events: 65_536, cilium_services: 256, cilium_backends: 256, cilium_service_runs: 256, cilium_nat: 1024 };
const HAS_TCX = probe({ kind: 'tcx' }).supported;
const MODES: readonly AttachMode[] = HAS_TCX ? ['tcx', 'clsact'] : ['clsact'];
let folder: string;
let bpfRoot: string;
let netns: Namespace;
let count = 0;
const open = (more: Partial<NodeProgramsOptions> = {}): Promise<NodePrograms> => openNodePrograms({}, { bpfRoot, sizes: SIZES, ...more });

beforeEach(async () => {
  folder = `/run/ct-netdev-open-${process.pid}-${++count}`;
  bpfRoot = `${folder}/bpf`;
  netns = createNamespace(`${folder}/netns`);
  using netlink = openNetlink({ netns });
  for (const index of [20, 21]) await netlink.createVeth({ name: `eth${index}`, index: ifIndex(index), up: true, peer: { name: `p${index}` } });
});
afterEach(() => {
  netns.run(() => cleanupDatapath({ bpfRoot }));
  netns.close();
  deleteNamespace(netns.path);
  rmSync(folder, { recursive: true, force: true });
});

/** Ids of the programs on a device, by direction. */
function attached(ifindex: number, mode: AttachMode): (number | undefined)[] {
  return netns.run(() => (['ingress', 'egress'] as const).map((direction) => (mode === 'tcx' ? queryTcx({ ifindex, direction }).programs[0]?.programId : queryTc(filterSlot(ifindex, direction))?.programId)));
}
const ids = ({ programs }: NodePrograms): number[] => [programs.fromNetdev.info.id, programs.toNetdev.info.id];

describe.each(MODES)('by %s', (attachMode) => {
  test('programs stay when the process goes, are replaced by those of the next, and taken off', async () => {
    const first = await open({ attachMode });
    expect(netns.run(() => first.attach(20))).toBe(attachMode);
    expect(attached(20, attachMode)).toEqual(ids(first));
    const before = ids(first);
    first.close();
    first.close();
    expect(attached(20, attachMode)).toEqual(before);
    const second = await open({ attachMode });
    netns.run(() => second.attach(20));
    netns.run(() => second.attach(20));
    netns.run(() => second.attach(21));
    expect(attached(20, attachMode)).toEqual(ids(second));
    expect(ids(second)).not.toEqual(before);
    expect(second.linkedDevices().sort()).toEqual(attachMode === 'tcx' ? [20, 21] : []);
    expect(netns.run(() => [second.detach(20), second.detach(20), second.detach(77)])).toEqual([true, false, false]);
    expect(attached(20, attachMode)).toEqual([undefined, undefined]);
    expect(attached(21, attachMode)).toEqual(ids(second));
    second.close();
  });

  test('a device that went and came back under its number is attached to anew', async () => {
    const programs = await open({ attachMode });
    netns.run(() => programs.attach(20));
    using netlink = openNetlink({ netns });
    await netlink.deleteLink(ifIndex(20));
    expect(netns.run(() => programs.detach(20))).toBe(false);
    netns.run(() => programs.attach(21));
    await netlink.deleteLink(ifIndex(21));
    await netlink.createVeth({ name: 'eth21', index: ifIndex(21), up: true, peer: { name: 'p21' } });
    netns.run(() => programs.attach(21));
    expect(attached(21, attachMode)).toEqual(ids(programs));
    programs.close();
  });

  test('no such device', async () => {
    const programs = await open({ attachMode });
    expect(() => netns.run(() => programs.attach(99))).toThrow(expect.objectContaining({ code: 'attach-failed', message: expect.stringContaining('device 99') }));
    programs.close();
  });
});

test('attached the other way, they are not there twice', async () => {
  for (const attachMode of [...MODES, ...MODES]) {
    const programs = await open({ attachMode });
    netns.run(() => programs.attach(20));
    expect(attached(20, attachMode)).toEqual(ids(programs));
    for (const other of MODES.filter((each) => each !== attachMode)) expect(attached(20, other)).toEqual([undefined, undefined]);
    programs.close();
  }
});

test('cleanup takes links and pins away', async () => {
  const programs = await open();
  netns.run(() => programs.attach(20));
  programs.close();
  netns.run(() => cleanupDatapath({ bpfRoot, ifindexes: [20] }));
  expect(existsSync(bpfRoot) ? readdirSync(bpfRoot) : []).toEqual([]);
  expect(attached(20, HAS_TCX ? 'tcx' : 'clsact')).toEqual([undefined, undefined]);
});

test('shares its maps with the programs of endpoints, and keeps its own over a restart', async () => {
  const datapath = await openDatapath({}, { bpfRoot, sizes: SIZES });
  const first = await open();
  expect(first.maps.cilium_flows.info.id).toBe(datapath.maps.cilium_flows.info.id);
  await first.setDevices([{ ifindex: 20, ipv4: parseIp('192.0.2.1')!, masquerade: { ipv4: true, ipv6: true } }]);
  await first.setMasqueradeExclusions([parseCidr('10.0.0.0/8')!]);
  const nat = first.maps.cilium_nat.info.id;
  first.close();
  const second = await open();
  expect(second.maps.cilium_nat.info.id).toBe(nat);
  expect([[...second.maps.cilium_node_devices.keys()].length, [...second.maps.cilium_ipmasq.keys()].length, second.dumpNat(), second.tries().failed]).toEqual([1, 1, [], 0n]);
  second.close();
  await datapath.close();
});

test.each([
  { config: { natPortMin: 0 }, said: 'natPortMin' },
  { config: { natPortMin: 5000, natPortMax: 4999 }, said: 'natPortMin' },
  { config: { natPortWideMin: 62_000 }, said: 'natPortWideMin' },
])('ports that make no range are refused: $config', async ({ config, said }) => {
  await expect(open({ config })).rejects.toThrow(new RegExp(`^config\\.${said}`));
});
