import { createNamespace, deleteNamespace, ifIndex, openNetlink, type Namespace } from '@cilium-ts/netlink';
import { attachXdp, openObject, queryXdp } from 'libbpf-napi';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cleanupDatapath, openXdp, type Xdp } from '../../src/index.ts';
import { pings } from '../packet/live.ts';
import { cidrs } from './prefilter-memory.ts';
import { execIn } from './sandbox.ts';

const SIZES = { cilium_backends: 64, cilium_services: 64, cilium_service_runs: 64, cilium_frontends: 64 };
const [FIRST, SECOND, LOOPBACK] = [30_001, 30_002, 1];
let runs = 0;
let folder: string;
let node: Namespace;
let outside: Namespace;
let xdp: Xdp;

const open = (): Promise<Xdp> => openXdp({}, { bpfRoot: `${folder}/bpf`, sizes: SIZES, config: { jiffiesPerSecond: 250 } });
const running = (ifindex: number): ReturnType<typeof queryXdp> => node.run(() => queryXdp({ ifindex }));

beforeEach(async () => {
  folder = `/run/ct-xdp-open-${process.pid}-${++runs}`;
  mkdirSync(folder, { recursive: true });
  node = createNamespace(`${folder}/node`);
  outside = createNamespace(`${folder}/outside`);
  using netlink = openNetlink({ netns: node });
  await netlink.setLink('lo', { up: true });
  for (const index of [FIRST, SECOND]) await netlink.createVeth({ name: `eth${index}`, index: ifIndex(index), up: true, peer: { name: `out${index}`, netns: outside } });
  execIn(node, 'ip', 'addr', 'add', '192.168.7.1/24', 'dev', `eth${FIRST}`);
  execIn(outside, 'ip', 'link', 'set', `out${FIRST}`, 'up');
  for (const address of ['192.168.7.2/24', '192.168.7.3/24']) execIn(outside, 'ip', 'addr', 'add', address, 'dev', `out${FIRST}`);
  xdp = await open();
});

afterEach(async () => {
  await xdp.close();
  for (const each of [node, outside]) {
    each.close();
    deleteNamespace(each.path);
  }
  spawnSync('umount', ['--lazy', `${folder}/bpf`], { stdio: 'ignore' }); // cleanup may have done it
  rmSync(folder, { recursive: true, force: true });
});

describe('openXdp', () => {
  it('drops what the prefilter denies, and passes the rest', async () => {
    expect(node.run(() => xdp.attach(FIRST, 'native'))).toEqual({ mode: 'native', fallback: undefined });
    expect([pings(outside, '192.168.7.1', ['-I', '192.168.7.2']), pings(outside, '192.168.7.1', ['-I', '192.168.7.3'])]).toEqual([true, true]);
    await xdp.prefilter.add(cidrs('192.168.7.3'));
    expect([pings(outside, '192.168.7.1', ['-I', '192.168.7.2']), pings(outside, '192.168.7.1', ['-I', '192.168.7.3'])]).toEqual([true, false]);
    expect(node.run(() => xdp.detach(FIRST))).toBe(true);
    expect(pings(outside, '192.168.7.1', ['-I', '192.168.7.3'])).toBe(true);
    expect(node.run(() => xdp.detach(FIRST))).toBe(false);
  });

  it('stays in force without its process, and is taken over by the next', async () => {
    node.run(() => xdp.attach(FIRST, 'native'));
    await xdp.prefilter.add(cidrs('192.168.7.3', '10.0.0.0/8'));
    const before = running(FIRST).native;
    await xdp.close();
    expect(pings(outside, '192.168.7.1', ['-I', '192.168.7.3'])).toBe(false);
    xdp = await open();
    expect(xdp.prefilter.list()).toMatchObject({ revision: 2, cidrs: [{ text: '10.0.0.0/8' }, { text: '192.168.7.3/32' }] });
    expect(node.run(() => [xdp.attached(), xdp.linkedDevices()])).toEqual([[{ ifindex: FIRST, mode: 'native' }], [FIRST]]);
    expect(node.run(() => xdp.attach(FIRST, 'best-effort'))).toEqual({ mode: 'native', fallback: undefined });
    expect(running(FIRST).native).toBe(xdp.programs.entry.info.id);
    expect(running(FIRST).native).not.toBe(before);
    expect(pings(outside, '192.168.7.1', ['-I', '192.168.7.3'])).toBe(false);
  });

  it('falls back to generic mode where it may, and says why', () => {
    const { mode, fallback } = node.run(() => xdp.attach(LOOPBACK, 'best-effort'));
    expect([mode, fallback]).toEqual(['generic', expect.stringMatching(/no native XDP/)]);
    expect(running(LOOPBACK)).toMatchObject({ generic: xdp.programs.entry.info.id, native: undefined });
    node.run(() => xdp.detach(LOOPBACK));
    expect(() => node.run(() => xdp.attach(LOOPBACK, 'native'))).toThrow(/attach the XDP program to device 1 \(native\).*native XDP/);
    expect(running(LOOPBACK)).toMatchObject({ generic: undefined, native: undefined });
  });

  it('changes the mode when another is asked for', () => {
    node.run(() => xdp.attach(FIRST, 'generic'));
    expect(running(FIRST)).toMatchObject({ generic: xdp.programs.entry.info.id, native: undefined });
    expect(node.run(() => xdp.attach(FIRST, 'best-effort'))).toMatchObject({ mode: 'generic' });
    expect(node.run(() => xdp.attach(FIRST, 'native'))).toEqual({ mode: 'native', fallback: undefined });
    expect(running(FIRST)).toMatchObject({ generic: undefined, native: xdp.programs.entry.info.id });
  });

  it('lets packets leave by devices that take them', () => {
    const admitted = (): number[] => [...xdp.maps.cilium_xdp_devices.keys()].map((key) => new DataView(key.buffer, key.byteOffset).getUint32(0, true)).sort();
    node.run(() => {
      xdp.attach(FIRST, 'generic');
      xdp.attach(SECOND, 'generic');
      expect(admitted()).toEqual([FIRST, SECOND]);
      xdp.attach(FIRST, 'native');
      expect(admitted()).toEqual([FIRST]);
      xdp.detach(FIRST);
      expect(admitted()).toEqual([SECOND]);
    });
  });

  it('leaves the programs of others alone', () => {
    using other = openObject(fileURLToPath(new URL('../../objects/bpf_xdp.o', import.meta.url))).loadSync();
    using link = node.run(() => attachXdp({ ifindex: FIRST, program: other.program('cil_xdp_entry'), mode: 'native' }));
    expect(() => node.run(() => xdp.attach(FIRST, 'best-effort'))).toThrow(/has an XDP program already/);
    expect(running(FIRST).native).toBe(link.info.programId);
  });

  it('forgets devices that are gone', async () => {
    node.run(() => xdp.attach(SECOND, 'native'));
    execIn(node, 'ip', 'link', 'del', `eth${SECOND}`);
    expect(node.run(() => [xdp.attached(), xdp.linkedDevices()])).toEqual([[], [SECOND]]);
    expect(node.run(() => xdp.detach(SECOND))).toBe(false);
    expect(xdp.linkedDevices()).toEqual([]);
    using netlink = openNetlink({ netns: node });
    await netlink.createVeth({ name: 'again', index: ifIndex(SECOND), up: true, peer: { name: 'again-p' } });
    expect(node.run(() => xdp.attach(SECOND, 'native'))).toMatchObject({ mode: 'native' });
  });

  it('everything goes with cleanup', async () => {
    node.run(() => xdp.attach(FIRST, 'native'));
    await xdp.prefilter.add(cidrs('192.168.7.3'));
    await xdp.close();
    node.run(() => cleanupDatapath({ bpfRoot: `${folder}/bpf`, ifindexes: [FIRST] }));
    expect(running(FIRST)).toMatchObject({ generic: undefined, native: undefined });
    expect(pings(outside, '192.168.7.1', ['-I', '192.168.7.3'])).toBe(true);
  });
});
