import { encodeBytes } from '@cilium-ts/bpf-maps';
import { nodeDevice, REMOTE_FLAG, type DatapathConfig } from '@cilium-ts/datapath-layout';
import { createNamespace, deleteNamespace, openNetlink, writeSysctl, type Namespace } from '@cilium-ts/netlink';
import { attachXdp, openObject, type BpfMap } from 'libbpf-napi';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openNodePrograms, openXdp, type Xdp, type XdpAttachMode } from '../../src/index.ts';
import { Peer } from '../packet/live.ts';
import { Services } from '../packet/services.ts';
import { key16 } from '../packet/sandbox.ts';
import { remoteValue } from '../support/remote-value.ts';
import { execIn, u32 } from './sandbox.ts';

/** Last bytes of everybody's addresses in 192.168.9.0/24 and fd00:9::/64; `far` is beyond the balancer's second device. */
export const HOSTS = { balancer: 1, client: 2, one: 11, two: 12, far: 13 } as const;
export type Host = keyof typeof HOSTS;
export const VIPS = { 4: '198.51.100.1', 6: '2001:db8::1' } as const;

/** The address of a host on the wire that it shares with the balancer. */
export function address(host: Host, family: 4 | 6, wire: 9 | 10 = host === 'far' ? 10 : 9): string {
  return family === 4 ? `192.168.${wire}.${HOSTS[host]}` : `fd00:${wire}::${HOSTS[host]}`;
}

/** A load balancer with a client and backends behind one wire, and one more backend behind another. */
export interface Fabric extends AsyncDisposable {
  readonly xdp: Xdp;
  readonly services: Services;
  readonly hosts: Readonly<Record<Host, Namespace>>;
  peer(host: Host): Peer;
  /** A process that sends datagrams back, from the address it is given; resolves when it is ready. */
  echo(host: Host, address: string, port: number): Promise<void>;
  /** Sends datagrams from the client, each by a socket of its own, again every 250 ms; how many came back from where they went. */
  datagrams(to: string, port: number, count: number, options?: { readonly tries?: number; readonly size?: number }): number;
  /** Attaches bpf_netdev beside XDP, over the same maps. */
  attachNetdev(): Promise<void>;
}

let fabrics = 0;

/** Builds it, with the program on both of the balancer's devices. */
export async function createFabric(mode: XdpAttachMode, config: DatapathConfig = {}): Promise<Fabric> {
  const folder = `/run/ct-fabric-${process.pid}-${++fabrics}`;
  const undo: (() => void | Promise<void>)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const dispose = async (): Promise<void> => {
    for (const each of undo.splice(0).reverse()) await each();
  };
  try {
    mkdirSync(folder, { recursive: true });
    return await build({ folder, mode, config, undo, dispose });
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface Plan {
  readonly folder: string;
  readonly mode: XdpAttachMode;
  readonly config: DatapathConfig;
  /** What is to be done at the end, the last first. */
  readonly undo: (() => void | Promise<void>)[];
  readonly dispose: () => Promise<void>;
}

async function build({ folder, mode, config, undo, dispose }: Plan): Promise<Fabric> {
  const namespace = (name: string): Namespace => {
    const made = createNamespace(`${folder}/${name}`);
    undo.push(() => {
      made.close();
      deleteNamespace(made.path);
    });
    return made;
  };
  const wire = namespace('wire');
  const hosts = Object.fromEntries(Object.keys(HOSTS).map((name) => [name, namespace(name)])) as Record<Host, Namespace>;
  await plug(wire, hosts);
  undo.push(() => void spawnSync('umount', ['--lazy', `${folder}/bpf`], { stdio: 'ignore' }));
  const options = { bpfRoot: `${folder}/bpf`, config: { jiffiesPerSecond: 250, natSeed: 5, ...config } };
  const xdp = await openXdp({}, options);
  undo.push(() => xdp.close());
  hosts.balancer.run(() => {
    for (const device of [ETH0, ETH1]) xdp.attach(device, mode);
  });
  describeNode(xdp.maps);
  const others = openObject(compiled(folder)).loadSync();
  undo.push(() => others.close());
  const attach = (netns: Namespace, ifindex: number, program: 'decapsulate' | 'pass'): void => {
    const link = netns.run(() => attachXdp({ ifindex, program: others.program(program), mode: 'native' }));
    undo.push(() => link.close());
  };
  attach(wire, ETH0, 'pass');
  for (const backend of ['one', 'two', 'far'] as const) {
    attach(hosts[backend], ETH0, 'decapsulate');
    for (const vip of [`${VIPS[4]}/32`, `${VIPS[6]}/128`]) execIn(hosts[backend], 'ip', 'addr', 'add', vip, 'dev', 'lo');
  }
  return {
    xdp,
    services: new Services({ map: (name: string): BpfMap => xdp.maps[name as keyof typeof xdp.maps] }),
    hosts,
    peer(host) {
      const peer = new Peer(hosts[host]);
      undo.push(() => peer.close());
      return peer;
    },
    async echo(host, at, port) {
      const child = spawn('nsenter', [`--net=${hosts[host].path}`, process.execPath, '-e', ECHO, at, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
      undo.push(() => void child.kill('SIGKILL'));
      await new Promise((resolve) => child.stdout.once('data', resolve));
    },
    async attachNetdev() {
      const programs = await openNodePrograms({}, options);
      undo.push(() => programs.close());
      hosts.balancer.run(() => {
        for (const device of [ETH0, ETH1]) programs.attach(device);
      });
    },
    datagrams(to, port, count, { tries = 40, size = 20 } = {}) {
      const { stdout } = spawnSync('nsenter', [`--net=${hosts.client.path}`, process.execPath, '-e', DATAGRAMS, to, String(port), String(count), String(tries), String(size)], { encoding: 'utf8', timeout: 30_000 });
      return Number(stdout);
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** The same in every namespace. */
const ETH0 = 101;
const ETH1 = 102;

async function plug(wire: Namespace, hosts: Readonly<Record<Host, Namespace>>): Promise<void> {
  execIn(wire, 'ip', 'link', 'add', 'br0', 'type', 'bridge');
  execIn(wire, 'ip', 'link', 'set', 'br0', 'up');
  for (const netns of Object.values(hosts)) {
    for (const each of ['all', 'default']) writeSysctl(`net.ipv6.conf.${each}.accept_dad`, 0, { netns });
    for (const each of ['all', 'default']) writeSysctl(`net.ipv4.conf.${each}.rp_filter`, 0, { netns });
    using netlink = openNetlink({ netns });
    await netlink.setLink('lo', { up: true });
  }
  for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) writeSysctl(name, 1, { netns: hosts.balancer });
  for (const host of ['balancer', 'client', 'one', 'two'] as const) {
    cable({ netns: hosts[host], device: 'eth0', index: ETH0 }, { netns: wire, device: `p-${host}`, ...(host === 'balancer' && { index: ETH0 }) });
    execIn(wire, 'ip', 'link', 'set', `p-${host}`, 'master', 'br0');
  }
  cable({ netns: hosts.balancer, device: 'eth1', index: ETH1 }, { netns: hosts.far, device: 'eth0', index: ETH0 });
  for (const [host, device, text] of [
    ...(['balancer', 'client', 'one', 'two'] as const).map((each) => [each, 'eth0', 9] as const), ['balancer', 'eth1', 10] as const, ['far', 'eth0', 10] as const,
  ]) {
    execIn(hosts[host], 'ip', 'addr', 'add', `${address(host, 4, text)}/24`, 'dev', device);
    execIn(hosts[host], 'ip', 'addr', 'add', `${address(host, 6, text)}/64`, 'dev', device, 'nodad');
    const gateway = [address('balancer', 4, text), address('balancer', 6, text)];
    if (host === 'balancer') continue;
    execIn(hosts[host], 'ip', 'route', 'add', 'default', 'via', gateway[0]!);
    execIn(hosts[host], 'ip', '-6', 'route', 'add', 'default', 'via', gateway[1]!);
  }
  for (const host of ['client', 'one', 'two', 'far'] as const) meet(hosts.balancer, host);
}

interface End {
  readonly netns: Namespace;
  readonly device: string;
  readonly index?: number;
}

/** A veth pair without offloads: what leaves it is as complete as on a wire. Its ends take packets from XDP programs. */
function cable(near: End, far: End): void {
  const index = (end: End): string[] => (end.index === undefined ? [] : ['index', String(end.index)]);
  execIn(near.netns, 'ip', 'link', 'add', near.device, ...index(near), 'type', 'veth', 'peer', 'name', far.device, ...index(far), 'netns', far.netns.path);
  for (const { netns: where, device: what } of [near, far]) {
    execIn(where, 'ethtool', '-K', what, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'on');
    execIn(where, 'ip', 'link', 'set', what, 'up');
  }
}

/** The balancer learns a neighbour's MAC addresses, as its stack would from the first packet. */
function meet(balancer: Namespace, host: Host): void {
  for (const family of [4, 6] as const) execIn(balancer, 'ping', '-c', '1', '-W', '5', address(host, family));
}

function describeNode(maps: Xdp['maps']): void {
  maps.cilium_remotes.update(u32(1), remoteValue(1, REMOTE_FLAG.HOST));
  for (const [index, wire] of [[ETH0, 9], [ETH1, 10]] as const) {
    const own = { address4: key16(address('balancer', 4, wire)), address6: key16(address('balancer', 6, wire)) };
    maps.cilium_node_devices.update(u32(index), encodeBytes(nodeDevice, { ...own, flags: 0, reserved: 0 }));
    for (const each of Object.values(own)) maps.cilium_addresses.update(each, u32(1));
  }
}

function compiled(folder: string): string {
  const object = `${folder}/decapsulate.o`;
  const multiarch = ['/usr/include/x86_64-linux-gnu', '/usr/include/aarch64-linux-gnu'].filter((path) => existsSync(path));
  execFileSync('clang', ['-g', '-O2', '-target', 'bpf', '-mcpu=v3', ...multiarch.map((path) => `-I${path}`), '-c', fileURLToPath(new URL('decapsulate.bpf.c', import.meta.url)), '-o', object]);
  return object;
}

const ECHO = String.raw`
const [address, port] = process.argv.slice(1); const s = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
s.on('message', (m, from) => s.send(m, from.port, from.address)); s.bind(Number(port), address, () => process.stdout.write('ready'));`;

const DATAGRAMS = String.raw`
const [to, port, count, most, size] = process.argv.slice(1); let back = 0, left = Number(count);
for (let i = 0; i < Number(count); i++) {
  const s = require('node:dgram').createSocket(to.includes(':') ? 'udp6' : 'udp4'); const text = ('datagram ' + i).padEnd(Number(size), '.');
  const done = () => { clearInterval(again); s.close(); if (--left === 0) process.stdout.write(String(back)); };
  let tries = 0; const again = setInterval(() => { if (++tries >= Number(most)) done(); else send(); }, 250);
  s.on('message', (m, from) => { if (String(m) === text && from.address === to && from.port === Number(port)) back++; done(); });
  const send = () => s.send(text, Number(port), to); send();
}`;
