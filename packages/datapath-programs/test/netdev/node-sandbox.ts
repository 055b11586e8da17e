import { decodeBytes, encodeBytes } from '@cilium-ts/bpf-maps';
import { ipFromKey16, ipToKey16, parseCidr, parseMac } from '@cilium-ts/core';
import { ADDRESS_LOCAL, decodeEvent, endpointInfo, flow, flowKey, flowOffsets, MASQUERADE_FLAG, metric, NAT_FLAG, natEntry, natKey, nodeDevice, REMOTE_FLAG, type DatapathEvent } from '@cilium-ts/datapath-layout';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, writeSysctl, type Namespace } from '@cilium-ts/netlink';
import { spawnSync } from 'node:child_process';
import { readdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openObject, openRingBuffer, skbContext, splitPerCpu, type BpfObject, type RingBuffer } from 'libbpf-napi';
import { parsePacket, type ParsedPacket } from '@cilium-ts/testkit';
import { remoteValue } from '../support/remote-value.ts';
import { key16, ServiceMaps, u32 } from './service-maps.ts';

/** An endpoint of this node, without a namespace of its own. */
export interface LocalPod {
  readonly slot: number;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** What became of a packet. */
export interface Passage {
  readonly verdict: 'pass' | 'drop' | 'redirect';
  /** Code of the drop event, when there was exactly one. */
  readonly reason: number | undefined;
  readonly data: Uint8Array;
  /** `data`, taken apart. */
  readonly packet: ParsedPacket;
  readonly mark: number;
}

/** An entry of cilium_nat in words: `10.0.0.1:40000 > 198.51.100.1:80 tcp = 192.0.2.1:61000 > 198.51.100.1:80`. */
export interface Translation {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly newFrom: string;
  readonly newTo: string;
  readonly flags: number;
  readonly state: number;
  readonly backend: number;
}

/** The node's devices: the first is where clients and other nodes are, the second leads elsewhere. */
export const ETH0 = 20;
export const ETH1 = 21;
export const MAC = { eth0: '02:00:00:00:20:01', eth1: '02:00:00:00:21:01', router: '02:00:00:00:20:fe', other: '02:00:00:00:20:02', pod: '02:00:00:00:aa:01' } as const;
/** Addresses of the node, of another node, and of the router to the outside. */
export const NODE = { 4: '192.0.2.1', 6: '2001:db8:2::1' } as const;
export const OTHER = { 4: '192.0.2.2', 6: '2001:db8:2::2' } as const;
export const ROUTER = { 4: '192.0.2.254', 6: '2001:db8:2::fe' } as const;
/** Addresses by the second device. */
export const NODE1 = { 4: '198.18.0.1', 6: '2001:db8:18::1' } as const;
const DEVICE_BASE = 1000;
const OBJECT = fileURLToPath(new URL('../../objects/bpf_netdev.o', import.meta.url));
const VERDICTS: Readonly<Record<number, Passage['verdict']>> = { 0: 'pass', 2: 'drop', 7: 'redirect', 0xffff_ffff: 'pass' };
let sandboxes = 0;

/** bpf_netdev in a namespace with two devices, routes and neighbours. Maps are written directly. */
export class NodeSandbox extends ServiceMaps implements Disposable {
  readonly object: BpfObject;
  readonly node: Namespace;
  readonly #ring: RingBuffer;
  #nextRemote = 1;

  private constructor(object: BpfObject, node: Namespace) {
    super((name) => object.map(name));
    this.object = object;
    this.node = node;
    this.#ring = openRingBuffer(object.map('cilium_events'));
  }

  static async open(config: Readonly<Record<string, number>> = {}, sizes: Readonly<Record<string, number>> = {}): Promise<NodeSandbox> {
    const opened = openObject(OBJECT);
    for (const [name, value] of Object.entries(config)) opened.setConfig(`config_${name}`, value);
    for (const [name, size] of Object.entries({ cilium_nat: 16384, cilium_flows: 1024, cilium_fragments: 256, cilium_services: 1024, cilium_backends: 1024, cilium_service_runs: 4096, ...sizes })) opened.setMapMaxEntries(name, size);
    const object = await opened.load();
    const sandbox = new NodeSandbox(object, createNamespace(`/run/ct-netdev-${process.pid}/${++sandboxes}`));
    await sandbox.#prepare();
    return sandbox;
  }

  async #prepare(): Promise<void> {
    const netns = this.node;
    for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) writeSysctl(name, 1, { netns });
    for (const each of ['all', 'default']) writeSysctl(`net.ipv6.conf.${each}.accept_dad`, 0, { netns });
    using netlink = openNetlink({ netns });
    await netlink.createVeth({ name: 'eth0', index: ifIndex(ETH0), mac: parseMac(MAC.eth0)!, up: true, peer: { name: 'eth0-p' } });
    await netlink.createVeth({ name: 'eth1', index: ifIndex(ETH1), mac: parseMac(MAC.eth1)!, up: true, peer: { name: 'eth1-p' } });
    this.ip(
      'link set lo up', 'link set eth0-p up', 'link set eth1-p up',
      `addr add ${NODE[4]}/24 dev eth0`, `addr add ${NODE[6]}/64 dev eth0 nodad`, `addr add ${NODE1[4]}/24 dev eth1`, `addr add ${NODE1[6]}/64 dev eth1 nodad`,
      ...[[ROUTER, MAC.router], [OTHER, MAC.other]].flatMap(([addresses, mac]) => [4, 6].map((family) => `neigh add ${(addresses as typeof ROUTER)[family as 4 | 6]} lladdr ${mac as string} dev eth0`)),
      `route add default via ${ROUTER[4]}`, `route add default via ${ROUTER[6]}`, `route add 10.0.1.0/24 via ${OTHER[4]}`, `route add fd00:1::/64 via ${OTHER[6]}`,
    );
    this.setDevice(ETH0, NODE);
    this.setDevice(ETH1, NODE1);
    for (const each of [NODE, NODE1]) for (const family of [4, 6] as const) this.addNodeAddress(each[family]);
  }

  /** Lines for `ip -batch` in the node. */
  ip(...lines: readonly string[]): void {
    const { status, stderr } = spawnSync('nsenter', [`--net=${this.node.path}`, 'ip', '-batch', '-'], { input: lines.join('\n'), encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip -batch: ${stderr}`);
  }

  setDevice(ifindex: number, addresses: { readonly 4?: string; readonly 6?: string }, flags: number = MASQUERADE_FLAG.IPV4 | MASQUERADE_FLAG.IPV6): void {
    const key = (text: string | undefined): Uint8Array => (text === undefined ? new Uint8Array(16) : key16(text));
    this.map('cilium_node_devices').update(u32(ifindex), encodeBytes(nodeDevice, { address4: key(addresses[4]), address6: key(addresses[6]), flags, reserved: 0 }));
  }

  /** An address of the node, as the agent tells it, one that NodePorts are reached by. */
  addNodeAddress(address: string): void {
    const index = this.#nextRemote++;
    this.map('cilium_remotes').update(u32(index), remoteValue(1, REMOTE_FLAG.HOST));
    this.map('cilium_addresses').update(key16(address), u32(index));
    this.markVip(address);
  }

  addPod(pod: LocalPod): void {
    const ifindex = DEVICE_BASE + pod.slot;
    this.ip(`link add lxc${pod.slot} index ${ifindex} type veth peer name lxc${pod.slot}-p`, `link set lxc${pod.slot} up`);
    this.map('cilium_endpoints').update(u32(pod.slot), encodeBytes(endpointInfo, {
      address4: key16(pod.ipv4), address6: key16(pod.ipv6), ifindex, netnsId: -1, endpointId: 100 + pod.slot, mtu: 1500,
      mac: parseMac(MAC.pod)!.bytes, hostMac: parseMac(MAC.pod)!.bytes, flags: 3, reserved: new Uint8Array(6),
    }));
    this.map('cilium_devices').update(u32(ifindex), u32(pod.slot + 1));
    for (const address of [pod.ipv4, pod.ipv6]) this.map('cilium_addresses').update(key16(address), u32((ADDRESS_LOCAL | pod.slot) >>> 0));
  }

  /** Destinations that are not masqueraded. */
  exclude(cidr: string): void {
    const { address, prefixLength, family } = parseCidr(cidr)!;
    const key = new Uint8Array(20);
    new DataView(key.buffer).setUint32(0, prefixLength + (family === 4 ? 96 : 0), true);
    key.set(ipToKey16(address), 4);
    this.map('cilium_ipmasq').update(key, u32(1));
  }

  /** A flow as bpf_lxc would have recorded it, begun by `from`. */
  recordFlow(from: readonly [string, number], to: readonly [string, number], protocol: number, { lastSeen = 0, state = 0 } = {}): void {
    const [a, b] = [key16(from[0]), key16(to[0])];
    const swap = Buffer.compare(Buffer.from(a).reverse(), Buffer.from(b).reverse()) > 0;
    const [first, second] = swap ? [[b, to[1]], [a, from[1]]] as const : [[a, from[1]], [b, to[1]]] as const;
    const key = encodeBytes(flowKey, { address0: first[0], address1: second[0], port0: first[1], port1: second[1], protocol, kind: 0, requester: 0 });
    const value = new Uint8Array(flow.size);
    value[flowOffsets.began] = swap ? 1 : 0;
    const view = new DataView(value.buffer);
    view.setUint32(flowOffsets.lastSeen, lastSeen, true);
    view.setUint32(flowOffsets.state, state, true);
    this.map('cilium_flows').update(key, value);
  }

  /** A packet that comes in by a device. */
  incoming(data: Uint8Array, ifindex: number = ETH0, gso?: { readonly gsoSize: number; readonly gsoSegments: number }): Passage {
    return this.#test('cil_from_netdev', data, { ifindex, ingressIfindex: ifindex, ...gso });
  }

  /** A packet that leaves: a pod's, another device's (`by`), or the node's own (`by` 0). */
  leaving(data: Uint8Array, by: LocalPod | number, ifindex: number = ETH0, more: { readonly mark?: number; readonly gsoSize?: number; readonly gsoSegments?: number } = {}): Passage {
    return this.#test('cil_to_netdev', data, { ifindex, ingressIfindex: typeof by === 'number' ? by : DEVICE_BASE + by.slot, ...more });
  }

  #test(program: string, data: Uint8Array, context: Parameters<typeof skbContext>[0]): Passage {
    const result = this.node.run(() => this.object.program(program).testRun({ data, ctx: skbContext(context), dataOutSize: 65_536 }));
    const drops = this.drainEvents().filter((event) => event.kind === 'drop');
    return {
      verdict: VERDICTS[result.retval] ?? 'drop',
      reason: drops.length === 1 ? drops[0]?.reason?.code : undefined,
      data: result.dataOut,
      get packet() {
        return parsePacket(result.dataOut);
      },
      mark: new DataView(result.ctxOut.buffer, result.ctxOut.byteOffset).getUint32(8, true),
    };
  }

  drainEvents(): DatapathEvent[] {
    return Array.from(this.#ring.drain(), (record) => decodeEvent(record)).filter((event) => event !== undefined);
  }

  translations(): Translation[] {
    return [...this.map('cilium_nat').entries()].map(([keyBytes, valueBytes]) => {
      const key = decodeBytes(natKey, keyBytes);
      const entry = decodeBytes(natEntry, valueBytes);
      const end = (address: Uint8Array, port: number): string => `${ipFromKey16(address).text} ${port}`;
      return {
        from: end(key.source, key.sourcePort), to: end(key.destination, key.destinationPort), protocol: key.protocol,
        newFrom: end(entry.source, entry.sourcePort), newTo: end(entry.destination, entry.destinationPort), flags: entry.flags, state: entry.state, backend: entry.backend,
      };
    });
  }

  /** Ticks, as the programs count them: when the last packet of any translated connection was seen. */
  lastSeen(): number {
    return Math.max(...[...this.map('cilium_nat').entries()].map(([, value]) => decodeBytes(natEntry, value).lastSeen));
  }

  /** Removes the entries that this is true of: as if they had been evicted. */
  evict(which: (entry: Translation) => boolean): number {
    const keys = [...this.map('cilium_nat').keys()];
    const gone = this.translations().map((entry, at) => (which(entry) ? keys[at] : undefined)).filter((key) => key !== undefined);
    for (const key of gone) this.map('cilium_nat').delete(key);
    return gone.length;
  }

  /** Lets the entries forget `seconds`, as if they had passed (at the default of 250 jiffies a second). */
  age(seconds: number, which: (flags: number) => boolean = () => true): void {
    const map = this.map('cilium_nat');
    for (const [key, value] of map.entries()) {
      const view = new DataView(value.buffer, value.byteOffset);
      if (!which(view.getUint16(38, true))) continue;
      view.setUint32(48, view.getUint32(48, true) - Math.ceil((seconds * 250) / 64) - 1, true);
      map.update(key, value);
    }
  }

  counted(reason: number): number {
    let sum = 0n;
    for (let direction = 0; direction < 3; direction++) {
      const value = this.map('cilium_metrics').lookup(u32(reason * 4 + direction));
      for (const each of splitPerCpu(value ?? new Uint8Array(0), metric.size)) sum += decodeBytes(metric, each).packets;
    }
    return Number(sum);
  }

  close(): void {
    this.#ring.close();
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

/** Entries of replies hold what was allocated. */
export const isReply = (entry: Translation): boolean => (entry.flags & NAT_FLAG.REPLY) !== 0;
