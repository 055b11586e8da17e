import { decodeBytes, encodeBytes } from '@cilium-ts/bpf-maps';
import { ipToKey16, parseCidr, parseIp, parseMac, type MacAddress } from '@cilium-ts/core';
import {
  ADDRESS_LOCAL, addressBucket, CELL_FLAG, cellHalf, decodeEvent, decodeFlow, ENDPOINT_FLAG, endpointInfo, flow, flowKey, flowOffsets,
  metric, policyKey, remote, rowBoundary, rowReference, type DatapathEvent, type FlowEntry,
} from '@cilium-ts/datapath-layout';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, writeSysctl, type Namespace } from '@cilium-ts/netlink';
import { readdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openObject, openRingBuffer, skbContext, splitPerCpu, type BpfMap, type BpfObject, type MappedArray, type RingBuffer } from 'libbpf-napi';
import { remoteValue } from '../support/remote-value.ts';

/** An endpoint of the tests: `slot` also numbers its device (10000 + slot) and its endpoint id (100 + slot). */
export interface Pod {
  readonly slot: number;
  readonly identity: number;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac: string;
  readonly hostMac: string;
  readonly mtu?: number;
  readonly netnsId?: number;
}

/** One stretch of a row: from `start` (protocol * 65536 + port) on, until the next. */
export type Row = readonly (readonly [start: number, action: 'allow' | 'deny' | 'default'])[];

/** One direction of a policy; `any` left out means "no policy" (row reference 0). */
export interface Side {
  readonly any?: Row;
  readonly by?: ReadonlyMap<number, Row>;
}

export interface Policy {
  readonly ingress: Side;
  readonly egress: Side;
  readonly flags?: number;
  readonly inactive?: boolean;
}

/** What became of a packet. */
export interface Outcome {
  readonly verdict: 'drop' | 'pass' | 'redirect';
  /** Code of the drop event, when there was exactly one. */
  readonly reason: number | undefined;
  readonly data: Uint8Array;
  readonly mark: number;
  readonly events: readonly DatapathEvent[];
}

export const ALLOW: Row = [[0, 'allow']];
export const DENY: Row = [[0, 'default']];
export const OPEN: Policy = { ingress: { any: ALLOW }, egress: { any: ALLOW } };
export const device = (pod: Pod): number => 10_000 + pod.slot;
/** A device through which packets come in from outside. */
export const UPLINK = 10_900;

const ACTIONS = { default: 0, allow: 1, deny: 2 } as const;
const VERDICTS: Readonly<Record<number, Outcome['verdict']>> = { 0: 'pass', 2: 'drop', 7: 'redirect' };
const OBJECT = fileURLToPath(new URL('../../objects/bpf_lxc.o', import.meta.url));
let sandboxes = 0;

/** The loaded programs in a namespace of their own, with small maps; everything goes with close(). */
export class Sandbox implements Disposable {
  readonly object: BpfObject;
  readonly node: Namespace;
  readonly #cells: MappedArray;
  readonly #rows: MappedArray;
  readonly #nodeState: MappedArray;
  readonly #ring: RingBuffer;
  readonly #policies = new Map<number, { pod: Pod; policy: Policy; generation: number }>();
  #epoch = 0n;
  #revision = 0;
  #version = 0;
  #nextRow = 0;
  #nextRemote = 1;

  private constructor(object: BpfObject, node: Namespace) {
    this.object = object;
    this.node = node;
    this.#cells = object.map('cilium_cells').mmap();
    this.#rows = object.map('cilium_rows').mmap();
    this.#nodeState = object.map('cilium_node').mmap();
    this.#ring = openRingBuffer(object.map('cilium_events'));
  }

  static async open(config: Readonly<Record<string, number>> = {}, sizes: Readonly<Record<string, number>> = {}, replace: Readonly<Record<string, BpfMap>> = {}): Promise<Sandbox> {
    const opened = openObject(OBJECT);
    for (const [name, value] of Object.entries(config)) opened.setConfig(`config_${name}`, value);
    const small = { cilium_flows: 4096, cilium_policy: 4096, cilium_addresses: 4096, cilium_prefixes: 4096, cilium_fragments: 256, cilium_services: 64, cilium_backends: 64, cilium_service_runs: 256, ...sizes };
    for (const [name, size] of Object.entries(small)) if (!(name in replace)) opened.setMapMaxEntries(name, size);
    for (const [name, map] of Object.entries(replace)) opened.reuseMap(name, map);
    const object = await opened.load();
    const node = createNamespace(`/run/ct-lxc-${process.pid}/${++sandboxes}`);
    const sandbox = new Sandbox(object, node);
    await sandbox.#device('uplink', UPLINK);
    await sandbox.#route();
    return sandbox;
  }

  /** A router with default routes: what it would not forward is its own. */
  async #route(): Promise<void> {
    const netns = this.node;
    for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) writeSysctl(name, 1, { netns });
    const netlink = openNetlink({ netns });
    try {
      await netlink.setLink('uplink-p', { up: true });
      for (const destination of ['0.0.0.0/0', '::/0']) await netlink.addRoute({ destination: parseCidr(destination)!, link: ifIndex(UPLINK) });
    } finally {
      netlink.close();
    }
  }

  /** Gives the node an address that the maps do not know. */
  async addNodeAddress(address: string): Promise<void> {
    const netlink = openNetlink({ netns: this.node });
    try {
      const ip = parseIp(address)!;
      await netlink.setLink('lo', { up: true });
      await netlink.addAddress({ link: ifIndex(1), address: ip, prefixLength: ip.family === 4 ? 32 : 128, ...(ip.family === 6 && { flags: ['no-dad'] as const }) });
    } finally {
      netlink.close();
    }
  }

  async #device(name: string, index: number): Promise<void> {
    const netlink = openNetlink({ netns: this.node });
    try {
      await netlink.createVeth({ name, index: ifIndex(index), up: true, peer: { name: `${name}-p` } });
    } finally {
      netlink.close();
    }
  }

  map(name: string): BpfMap {
    return this.object.map(name);
  }

  /** Adds an endpoint with its device, address entries and policy, and puts it in force. */
  async addPod(pod: Pod, policy: Policy = OPEN): Promise<void> {
    await this.#device(`lxc${pod.slot}`, device(pod));
    this.register(pod, policy);
  }

  /** The same for a pod whose device exists. */
  register(pod: Pod, policy: Policy): void {
    this.writeEndpoint(pod);
    this.#policies.delete(pod.slot);
    for (const ip of [pod.ipv4, pod.ipv6]) if (ip !== undefined) this.#address(ip, (ADDRESS_LOCAL | pod.slot) >>> 0);
    this.map('cilium_devices').update(u32(device(pod)), u32(pod.slot + 1));
    this.setPolicy(pod, policy);
  }

  writeEndpoint(pod: Pod): void {
    this.map('cilium_endpoints').update(u32(pod.slot), encodeBytes(endpointInfo, {
      address4: pod.ipv4 === undefined ? new Uint8Array(16) : key16(pod.ipv4),
      address6: pod.ipv6 === undefined ? new Uint8Array(16) : key16(pod.ipv6),
      ifindex: device(pod), netnsId: pod.netnsId ?? -1, endpointId: 100 + pod.slot, mtu: pod.mtu ?? 1500,
      mac: mac(pod.mac).bytes, hostMac: mac(pod.hostMac).bytes,
      flags: (pod.ipv4 === undefined ? 0 : ENDPOINT_FLAG.IPV4) | (pod.ipv6 === undefined ? 0 : ENDPOINT_FLAG.IPV6),
      reserved: new Uint8Array(6),
    }));
  }

  /** Gives a pod another policy; in force when this returns, under a new revision (unless `keepRevision`). */
  setPolicy(pod: Pod, policy: Policy, options: { readonly generation?: number; readonly keepRevision?: boolean } = {}): void {
    const generation = options.generation ?? this.#policies.get(pod.slot)?.generation ?? 1;
    this.#policies.set(pod.slot, { pod, policy, generation });
    if (!options.keepRevision) this.#revision++;
    const parity = Number((this.#epoch + 1n) & 1n);
    for (const each of this.#policies.values()) this.#writeHalf(each.pod, each.policy, each.generation, parity);
    this.#epoch += 1n;
    this.#nodeState.store64(0, this.#epoch);
  }

  /** The epoch's next half is written with this policy, but not put in force. */
  stage(pod: Pod, policy: Policy): void {
    this.#writeHalf(pod, policy, this.#policies.get(pod.slot)?.generation ?? 1, Number((this.#epoch + 1n) & 1n));
  }

  #writeHalf(pod: Pod, policy: Policy, generation: number, parity: number): void {
    const version = ++this.#version;
    for (const [direction, side] of [[0, policy.ingress], [1, policy.egress]] as const) {
      for (const [identity, row] of side.by ?? []) {
        this.map('cilium_policy').update(encodeBytes(policyKey, { version, direction, identity }), u32(this.#row(row)));
      }
    }
    const flags = (policy.ingress.by ? 0 : CELL_FLAG.INGRESS_ANY_ONLY) | (policy.egress.by ? 0 : CELL_FLAG.EGRESS_ANY_ONLY) | (policy.flags ?? 0);
    this.#cells.bytes.set(encodeBytes(cellHalf, {
      version, revision: this.#revision, identity: pod.identity, generation: policy.inactive ? 0 : generation,
      anyIngress: this.#row(policy.ingress.any), anyEgress: this.#row(policy.egress.any), flags, reserved: 0,
    }), pod.slot * 64 + parity * 32);
  }

  #row(row: Row | undefined): number {
    if (row === undefined) return 0;
    const offset = this.#nextRow;
    for (const [start, action] of row) {
      this.#rows.bytes.set(encodeBytes(rowBoundary, { start, verdict: ACTIONS[action] | (1 << 8) }), this.#nextRow++ * 8);
    }
    return rowReference(offset, row.length);
  }

  /** A remote address or prefix; returns its index in cilium_remotes. */
  addRemote(cidr: string, identity: number, flags = 0): number {
    const index = this.#nextRemote++;
    this.setRemote(index, identity, flags);
    const prefix = parseCidr(cidr);
    if (prefix === undefined) throw new TypeError(`cidr: ${cidr}`);
    const exact = prefix.prefixLength === (prefix.family === 4 ? 32 : 128);
    if (exact) this.#address(prefix.address.text, index);
    else {
      const key = new Uint8Array(20);
      new DataView(key.buffer).setUint32(0, prefix.prefixLength + (prefix.family === 4 ? 96 : 0), true);
      key.set(ipToKey16(prefix.address), 4);
      this.map('cilium_prefixes').update(key, u32(index));
    }
    return index;
  }

  /** What a remote is to be with the next epoch. */
  stageRemote(index: number, identity: number): void {
    const { half } = decodeBytes(remote, this.map('cilium_remotes').lookup(u32(index)) ?? new Uint8Array(remote.size));
    const parity = Number((this.#epoch + 1n) & 1n);
    this.map('cilium_remotes').update(u32(index), encodeBytes(remote, { half: half.map((each, at) => (at === parity ? { ...each, identity } : each)) }));
  }

  setRemote(index: number, identity: number, flags = 0): void {
    this.map('cilium_remotes').update(u32(index), remoteValue(identity, flags));
  }

  /** Counts one change of an address' identity. */
  bumpAddress(ip: string): void {
    const at = 16 + 4 * addressBucket(key16(ip));
    const view = new DataView(this.#nodeState.bytes.buffer);
    view.setUint32(at, view.getUint32(at, true) + 1, true);
  }

  /** Counts one change of a prefix. */
  bumpPrefixes(): void {
    const view = new DataView(this.#nodeState.bytes.buffer);
    view.setUint32(8, view.getUint32(8, true) + 1, true);
  }

  #address(ip: string, ref: number): void {
    this.map('cilium_addresses').update(key16(ip), u32(ref));
  }

  removeAddress(ip: string): void {
    this.map('cilium_addresses').delete(key16(ip));
  }

  /** A packet out of a pod, as its device receives it. */
  from(pod: Pod, data: Uint8Array, context: { readonly mark?: number; readonly gsoSize?: number; readonly gsoSegments?: number } = {}): Outcome {
    return this.#run('cil_from_container', data, { ...context, ifindex: device(pod) });
  }

  /** A packet that the stack hands to a pod's device; `by` is the device it came in by, 0 for the node's own. */
  to(pod: Pod, data: Uint8Array, by = 0): Outcome {
    return this.#run('cil_to_container', data, { ifindex: device(pod), ingressIfindex: by });
  }

  /** Runs one packet out of a pod again and again without reading events. */
  overrun(pod: Pod, data: Uint8Array, repeat: number): void {
    this.node.run(() => this.object.program('cil_from_container').testRun({ data, ctx: skbContext({ ifindex: device(pod) }), repeat }));
  }

  /** As from() and to(), by device. */
  run(program: 'cil_from_container' | 'cil_to_container', data: Uint8Array, ifindex: number, by = 0): Outcome {
    return this.#run(program, data, { ifindex, ingressIfindex: by });
  }

  #run(program: string, data: Uint8Array, context: { ifindex: number; ingressIfindex?: number; mark?: number; gsoSize?: number; gsoSegments?: number }): Outcome {
    const result = this.node.run(() => this.object.program(program).testRun({ data, ctx: skbContext(context), dataOutSize: 65536 }));
    const events = this.drainEvents();
    const drops = events.filter((event) => event.kind === 'drop');
    return {
      verdict: VERDICTS[result.retval] ?? 'drop',
      reason: drops.length === 1 ? drops[0]?.reason?.code : undefined,
      data: result.dataOut,
      mark: new DataView(result.ctxOut.buffer, result.ctxOut.byteOffset).getUint32(8, true),
      events,
    };
  }

  drainEvents(): DatapathEvent[] {
    const batch = this.#ring.drain();
    return Array.from(batch, (record) => decodeEvent(record)).filter((event) => event !== undefined);
  }

  flows(): FlowEntry[] {
    return [...this.map('cilium_flows').entries()].map(([key, value]) => decodeFlow(decodeBytes(flowKey, key), decodeBytes(flow, value)));
  }

  /** Lets the flows forget `seconds`, as if they had passed (at the default of 250 jiffies a second). */
  age(seconds: number): void {
    const map = this.map('cilium_flows');
    for (const [key, value] of map.entries()) {
      const view = new DataView(value.buffer, value.byteOffset);
      view.setUint32(flowOffsets.lastSeen, view.getUint32(flowOffsets.lastSeen, true) - Math.ceil((seconds * 250) / 64) - 1, true);
      map.update(key, value);
    }
  }

  /** Takes away some entries, as the table does when it is full. */
  dropFlows(which: (flow: FlowEntry) => boolean): void {
    const map = this.map('cilium_flows');
    for (const [key, value] of [...map.entries()]) if (which(decodeFlow(decodeBytes(flowKey, key), decodeBytes(flow, value)))) map.delete(key);
  }

  clearFlows(): void {
    for (const key of [...this.map('cilium_flows').keys()]) this.map('cilium_flows').delete(key);
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
    this.#ring.close();
    this.object.close();
    this.node.close();
    deleteNamespace(this.node.path);
    const folder = dirname(this.node.path);
    if (readdirSync(folder).length === 0) rmdirSync(folder); // other sandboxes of this process may be open
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The 16-byte form of an address. */
export function key16(ip: string): Uint8Array {
  const parsed = parseIp(ip);
  if (parsed === undefined) throw new TypeError(`ip: ${ip}`);
  return ipToKey16(parsed);
}

function mac(text: string): MacAddress {
  const parsed = parseMac(text);
  if (parsed === undefined) throw new TypeError(`mac: ${text}`);
  return parsed;
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
