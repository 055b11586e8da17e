import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { parseCidr, parseIp } from '@cilium-ts/core';
import type { DatapathConfig } from '@cilium-ts/datapath-layout';
import { createNamespace, deleteNamespace, ifIndex, namespaceCookie, openNetlink, writeSysctl, type Namespace } from '@cilium-ts/netlink';
import { ensureBpffs } from 'libbpf-napi';
import { openSocketLoadBalancer, type SocketLoadBalancer } from '../../src/index.ts';
import { SocketPeer } from './peer.ts';
import { ServiceTables } from './service-maps.ts';

const SIZES = { cilium_sockets: 16_384, cilium_frontends: 1024, cilium_affinities: 1024, cilium_addresses: 1024, cilium_prefixes: 1024, cilium_remotes: 2048 } as const;
let rigs = 0;

/** What backends and servers listen on, all on the loopback device of the rig's namespace. */
export const ADDRESSES = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.9.9.9', 'fd01::1', 'fd01::2'] as const;

/** Translation at the socket on ground of its own: namespace, cgroup, pins. Everything goes with close(). */
export class SocketRig implements AsyncDisposable {
  readonly bpfRoot: string;
  readonly cgroup: string;
  readonly node: Namespace;
  readonly #folder: string;
  readonly #peers: SocketPeer[] = [];
  readonly #namespaces: Namespace[] = [];
  readonly #cgroups: string[] = [];
  #loadBalancer: SocketLoadBalancer | undefined;
  #tables: ServiceTables | undefined;

  private constructor() {
    this.#folder = `/run/ct-sock-${process.pid}-${++rigs}`;
    this.bpfRoot = `${this.#folder}/bpf`;
    this.cgroup = `${cgroupRoot()}/ct-sock-${process.pid}-${rigs}`;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    mkdirSync(this.cgroup);
    this.node = createNamespace(`${this.#folder}/netns`);
  }

  static async open(config: DatapathConfig = {}): Promise<SocketRig> {
    const rig = new SocketRig();
    try {
      ensureBpffs(rig.bpfRoot);
      await addAddresses(rig.node);
      await rig.load(config);
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  /** Loads the programs (again), as a restarted agent would. */
  async load(config: DatapathConfig = {}, cgroup = this.cgroup): Promise<SocketLoadBalancer> {
    this.#loadBalancer?.close();
    this.#loadBalancer = await openSocketLoadBalancer({}, { bpfRoot: this.bpfRoot, cgroup, sizes: SIZES, config: { jiffiesPerSecond: 250, hostNetnsCookie: Number(namespaceCookie(this.node)), ...config } });
    this.#tables = new ServiceTables(this.#loadBalancer.maps);
    return this.#loadBalancer;
  }

  get loadBalancer(): SocketLoadBalancer {
    return this.#loadBalancer!;
  }

  get tables(): ServiceTables {
    return this.#tables!;
  }

  /** Another cgroup. */
  addCgroup(): string {
    const path = `${this.cgroup}-${this.#cgroups.length + 1}`;
    mkdirSync(path);
    this.#cgroups.push(path);
    return path;
  }

  /** Another namespace with the same addresses. */
  async addNamespace(): Promise<Namespace> {
    const namespace = createNamespace(`${this.#folder}/netns-${this.#namespaces.length + 1}`);
    this.#namespaces.push(namespace);
    await addAddresses(namespace);
    return namespace;
  }

  /** A process whose sockets are translated, or (`plain`) not. */
  peer(options: { readonly plain?: boolean; readonly netns?: Namespace } = {}): SocketPeer {
    const peer = new SocketPeer((options.netns ?? this.node).path, options.plain === true ? undefined : this.cgroup);
    this.#peers.push(peer);
    return peer;
  }

  async close(): Promise<void> {
    for (const peer of this.#peers.splice(0)) await peer.close();
    this.#loadBalancer?.detach();
    this.#loadBalancer?.close();
    for (const namespace of [...this.#namespaces, this.node]) {
      namespace.close();
      deleteNamespace(namespace.path);
    }
    execFileSync('umount', ['--lazy', this.bpfRoot], { stdio: 'ignore' });
    rmSync(this.#folder, { recursive: true, force: true });
    for (const path of [...this.#cgroups, this.cgroup]) if (existsSync(path)) await removeCgroup(path);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The kernel lets go of a cgroup's last process some time after its end. */
async function removeCgroup(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return rmdirSync(path);
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function cgroupRoot(): string {
  const mount = readFileSync('/proc/self/mounts', 'utf8').split('\n').find((line) => line.split(' ')[2] === 'cgroup2');
  const path = mount?.split(' ')[1];
  if (path === undefined) throw new Error('run socket tests: no cgroup2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified');
  return path;
}

async function addAddresses(netns: Namespace): Promise<void> {
  writeSysctl('net.ipv6.conf.all.accept_dad', 0, { netns });
  using netlink = openNetlink({ netns });
  const loopback = ifIndex(1);
  await netlink.setLink('lo', { up: true });
  for (const text of ADDRESSES) {
    const address = parseIp(text)!;
    await netlink.addAddress({ link: loopback, address, prefixLength: address.family === 4 ? 32 : 128, ...(address.family === 6 && { flags: ['no-dad'] as const }) });
  }  // somewhere to go for what is not translated
  for (const text of ['0.0.0.0/0', '::/0']) await netlink.addRoute({ destination: parseCidr(text)!, link: loopback });
}
