import { decodeBytes } from '@cilium-ts/bpf-maps';
import { metric } from '@cilium-ts/datapath-layout';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, type Namespace } from '@cilium-ts/netlink';
import { membarrierGlobal, openObject, splitPerCpu, type BpfMap, type BpfObject } from 'libbpf-napi';
import { spawnSync } from 'node:child_process';
import { readdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPrefilter, type Prefilter, type PrefilterStore } from '../../src/xdp/prefilter.ts';

/** The device that packets of test runs come in by. */
export const DEVICE = 20_001;
/** What an XDP program may return, linux/bpf.h. */
export type XdpVerdict = 'aborted' | 'drop' | 'pass' | 'tx' | 'redirect';
const VERDICTS: readonly XdpVerdict[] = ['aborted', 'drop', 'pass', 'tx', 'redirect'];
const OBJECT = fileURLToPath(new URL('../../objects/bpf_xdp.o', import.meta.url));
/** Size of struct xdp_md. */
const CONTEXT = 24;
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

  private constructor(object: BpfObject, node: Namespace) {
    this.object = object;
    this.node = node;
  }

  static async open(config: Readonly<Record<string, number>> = {}, sizes: Readonly<Record<string, number>> = {}): Promise<XdpSandbox> {
    const opened = openObject(OBJECT);
    for (const [name, value] of Object.entries(config)) opened.setConfig(`config_${name}`, value);
    for (const [name, size] of Object.entries(sizes)) opened.setMapMaxEntries(name, size);
    const sandbox = new XdpSandbox(await opened.load(), createNamespace(`/run/ct-xdp-${process.pid}/${++sandboxes}`));
    using netlink = openNetlink({ netns: sandbox.node });
    await netlink.createVeth({ name: 'eth0', index: ifIndex(DEVICE), up: true, peer: { name: 'eth0-p' } });
    await netlink.setLink('eth0-p', { up: true });
    // a test run names a receive queue, which a veth has only while a program is attached
    sandbox.exec('bpftool', 'net', 'attach', 'xdpdrv', 'id', String(sandbox.object.program('cil_xdp_entry').info.id), 'dev', 'eth0');
    return sandbox;
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
    const ctx = new Uint8Array(CONTEXT);
    const view = new DataView(ctx.buffer);
    view.setUint32(4, data.length, true);
    view.setUint32(12, DEVICE, true);
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

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
