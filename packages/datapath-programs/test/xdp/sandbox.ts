import { decodeBytes, encodeBytes } from '@cilium-ts/bpf-maps';
import { ADDRESS_LOCAL, metric, nodeDevice, REMOTE_FLAG, natEntry, natKey, type NatEntry, type NatKey } from '@cilium-ts/datapath-layout';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, writeSysctl, type Namespace } from '@cilium-ts/netlink';
import { attachXdp, membarrierGlobal, openObject, splitPerCpu, xdpContext, type BpfMap, type BpfObject, type Link } from 'libbpf-napi';
import { parseMac } from '@cilium-ts/core';
import { spawnSync } from 'node:child_process';
import { readdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { key16 } from '../packet/sandbox.ts';
import { createPrefilter, type Prefilter, type PrefilterStore } from '../../src/xdp/prefilter.ts';
import { remoteValue } from '../support/remote-value.ts';

/** The device that packets of test runs come in by, another one of the node, and one that is an endpoint's. */
export const DEVICE = 20_001;
export const OTHER_DEVICE = 20_002;
export const ENDPOINT_DEVICE = 20_003;
/** The node's own addresses on the first two, and everybody's MAC addresses. */
export const NODE = { 4: '192.168.0.1', 6: 'fd00:0:0:1::1' } as const;
export const OTHER_NODE = { 4: '10.1.0.1', 6: 'fd00:0:0:2::1' } as const;
export const MAC = { node: '02:00:00:00:00:01', other: '02:00:00:00:00:02', client: '02:00:00:00:00:c1', one: '02:00:00:00:00:b1', two: '02:00:00:00:00:b2', far: '02:00:00:00:00:b3', gateway: '02:00:00:00:00:fe' } as const;
/** What an XDP program may return, linux/bpf.h. */
export type XdpVerdict = 'aborted' | 'drop' | 'pass' | 'tx' | 'redirect';
const VERDICTS: readonly XdpVerdict[] = ['aborted', 'drop', 'pass', 'tx', 'redirect'];
const OBJECT = fileURLToPath(new URL('../../objects/bpf_xdp.o', import.meta.url));
let sandboxes = 0;

/** What became of a packet. */
export interface XdpOutcome {
  readonly verdict: XdpVerdict;
  readonly data: Uint8Array;
}

/** The loaded program in a namespace of its own, with small maps; everything goes with close(). */
export class XdpSandbox implements Disposable {
  readonly object: BpfObject;
  readonly node: Namespace;
  readonly #links: Link[] = [];

  private constructor(object: BpfObject, node: Namespace) {
    this.object = object;
    this.node = node;
  }

  static async open(config: Readonly<Record<string, number>> = {}, sizes: Readonly<Record<string, number>> = {}): Promise<XdpSandbox> {
    const opened = openObject(OBJECT);
    for (const [name, value] of Object.entries(config)) opened.setConfig(`config_${name}`, value);
    for (const [name, size] of Object.entries(sizes)) opened.setMapMaxEntries(name, size);
    const sandbox = new XdpSandbox(await opened.load(), createNamespace(`/run/ct-xdp-${process.pid}/${++sandboxes}`));
    await sandbox.#device('eth0', DEVICE, MAC.node);
    // a test run names a receive queue, which a veth has only while a program is attached
    sandbox.#links.push(sandbox.node.run(() => attachXdp({ ifindex: DEVICE, program: sandbox.object.program('cil_xdp_entry'), mode: 'native' })));
    return sandbox;
  }

  async #device(name: string, index: number, mac?: string): Promise<void> {
    using netlink = openNetlink({ netns: this.node });
    await netlink.createVeth({ name, index: ifIndex(index), up: true, peer: { name: `${name}-p` }, ...(mac !== undefined && { mac: parseMac(mac)! }) });
    await netlink.setLink(`${name}-p`, { up: true });
  }

  /** A router with two devices to the outside and one to an endpoint; clients and backends are known neighbours. */
  async prepareRouter(): Promise<void> {
    for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) writeSysctl(name, 1, { netns: this.node });
    await this.#device('eth1', OTHER_DEVICE, MAC.other);
    await this.#device('lxc0', ENDPOINT_DEVICE);
    for (const [device, addresses] of [['eth0', NODE], ['eth1', OTHER_NODE]] as const) {
      this.exec('ip', 'addr', 'add', `${addresses[4]}/24`, 'dev', device);
      this.exec('ip', 'addr', 'add', `${addresses[6]}/64`, 'dev', device, 'nodad');
    }
    const neighbours: readonly (readonly [string, string, string])[] = [
      ['192.168.0.100', 'eth0', MAC.client], ['fd00:0:0:1::100', 'eth0', MAC.client], ['192.168.0.11', 'eth0', MAC.one], ['fd00:0:0:1::11', 'eth0', MAC.one],
      ['192.168.0.12', 'eth0', MAC.two], ['fd00:0:0:1::12', 'eth0', MAC.two], ['10.1.0.13', 'eth1', MAC.far], ['fd00:0:0:2::13', 'eth1', MAC.far],
      ['192.168.0.254', 'eth0', MAC.gateway], ['fd00:0:0:1::fe', 'eth0', MAC.gateway], ['10.244.0.5', 'lxc0', MAC.far],
    ];
    for (const [address, device, mac] of neighbours) this.exec('ip', 'neigh', 'replace', address, 'lladdr', mac, 'nud', 'permanent', 'dev', device);
    this.exec('ip', 'route', 'add', 'default', 'via', '192.168.0.254', 'dev', 'eth0');
    this.exec('ip', '-6', 'route', 'add', 'default', 'via', 'fd00:0:0:1::fe', 'dev', 'eth0');
    this.exec('ip', 'route', 'add', '10.244.0.5', 'dev', 'lxc0');
    for (const nowhere of ['203.0.113.0/24', 'fd00:0:0:9::/64']) this.exec('ip', 'route', 'add', 'blackhole', nowhere);
    this.reset();
  }

  /** Translations and ways are forgotten, devices and addresses are as prepareRouter() made them. */
  reset(): void {
    const [nat, addresses, hops] = [this.map('cilium_nat'), this.map('cilium_addresses'), this.map('xdp_hops')];
    for (const map of [nat, addresses]) for (const key of [...map.keys()]) map.delete(key);
    const indexes = new Uint8Array(Uint32Array.from({ length: hops.maxEntries }, (_, i) => i).buffer);
    hops.updateBatch(indexes, new Uint8Array(hops.maxEntries * hops.valueSize), hops.maxEntries);
    for (const [ifindex, own] of [[DEVICE, NODE], [OTHER_DEVICE, OTHER_NODE]] as const) {
      this.map('cilium_node_devices').update(u32(ifindex), encodeBytes(nodeDevice, { address4: key16(own[4]), address6: key16(own[6]), flags: 0, reserved: 0 }));
      this.node.run(() => this.map('cilium_xdp_devices').update(u32(ifindex), u32(ifindex)));
      for (const address of Object.values(own)) addresses.update(key16(address), u32(1));
    }
    this.map('cilium_remotes').update(u32(1), remoteValue(1, REMOTE_FLAG.HOST));
  }

  /** Makes an address that of an endpoint of this node. */
  addEndpoint(address: string): void {
    this.map('cilium_addresses').update(key16(address), u32((ADDRESS_LOCAL | 1) >>> 0));
  }

  /** The table of translations. */
  nat(): { readonly key: NatKey; readonly entry: NatEntry }[] {
    return [...this.map('cilium_nat').entries()].map(([key, value]) => ({ key: decodeBytes(natKey, key), entry: decodeBytes(natEntry, value) }));
  }

  /** Runs a command in the namespace. */
  exec(...command: readonly string[]): string {
    return execIn(this.node, ...command);
  }

  map(name: string): BpfMap {
    return this.object.map(name);
  }

  /** One packet as the device receives it. */
  run(data: Uint8Array, dataOutSize = 4096): XdpOutcome {
    const ctx = xdpContext({ size: data.length, ingressIfindex: DEVICE });
    const { retval, dataOut } = this.node.run(() => this.object.program('cil_xdp_entry').testRun({ data, ctx, dataOutSize }));
    return { verdict: VERDICTS[retval] ?? 'aborted', data: dataOut };
  }

  /** The prefilter over this object's maps. */
  prefilter(): Promise<Prefilter> {
    return createPrefilter({ store: this.prefilterStore() });
  }

  prefilterStore(): PrefilterStore {
    const words = this.map('cilium_prefilter').mmap();
    return {
      state: { length: 2, load: (index) => words.load64(index), store: (index, value) => words.store64(index, value) },
      lists: {
        addresses4: this.map('cilium_denied_addresses4'), prefixes4: this.map('cilium_denied_prefixes4'),
        addresses6: this.map('cilium_denied_addresses6'), prefixes6: this.map('cilium_denied_prefixes6'),
      },
      gracePeriod: membarrierGlobal,
    };
  }

  /** Packets counted under a reason, all directions and CPUs. */
  counted(reason: number): number {
    let sum = 0n;
    for (let direction = 0; direction < 3; direction++) {
      const value = this.map('cilium_metrics').lookup(u32(reason * 4 + direction));
      for (const each of splitPerCpu(value ?? new Uint8Array(0), metric.size)) sum += decodeBytes(metric, each).packets;
    }
    return Number(sum);
  }

  close(): void {
    for (const link of this.#links) link.close();
    this.object.close();
    this.node.close();
    deleteNamespace(this.node.path);
    const folder = dirname(this.node.path);
    if (readdirSync(folder).length === 0) rmdirSync(folder);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Runs a command in a namespace; throws what it said when it fails. */
export function execIn(netns: Namespace, ...command: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${netns.path}`, ...command], { encoding: 'utf8', timeout: 20_000 });
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** A number as the programs read it. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
