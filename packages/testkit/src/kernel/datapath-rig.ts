import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { parseCidr } from '@cilium-ts/core';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, writeSysctl, type Namespace } from '@cilium-ts/netlink';
import { ensureBpffs, readSkbContext, skbContext, type Program, type SkbContext } from 'libbpf-napi';

/** What the rig needs of a datapath: `@cilium-ts/datapath-programs` provides it. */
export interface DatapathLike {
  readonly programs: { readonly fromContainer: Program; readonly toContainer: Program };
  close(): Promise<void>;
}

/** What a program decided. */
export interface ProgramRun {
  readonly verdict: 'drop' | 'pass' | 'redirect';
  readonly data: Uint8Array;
  readonly context: Required<SkbContext>;
}

/** A datapath with its pins in a bpffs of its own, and devices in a namespace of their own. */
export interface DatapathRig<D extends DatapathLike> extends AsyncDisposable {
  readonly bpfRoot: string;
  readonly node: Namespace;
  /** The datapath as it is now: reopen() replaces it. */
  readonly datapath: D;
  /** Closes the datapath and opens it again, as a restarted agent would. */
  reopen(): Promise<D>;
  /** Makes a veth pair with this ifindex; a test run needs its device to exist. */
  addDevice(ifindex: number): Promise<void>;
  /**
   * Makes the namespace a router whose default routes leave by a new device of this ifindex. Without a route the
   * kernel forwards nothing, and the datapath takes an address that is not forwarded for one of the node's.
   */
  addUplink(ifindex: number): Promise<void>;
  /** Runs one packet through a program as if it were attached to a device; `by` is the device it came in by. */
  run(program: 'fromContainer' | 'toContainer', frame: Uint8Array, context: { readonly ifindex: number; readonly by?: number }): ProgramRun;
  close(): Promise<void>;
}

/** TC_ACT_ codes of linux/pkt_cls.h. */
const VERDICTS: Readonly<Record<number, ProgramRun['verdict']>> = { 0: 'pass', 2: 'drop', 7: 'redirect' };
let rigs = 0;

/** Opens a datapath on fresh ground; everything goes with close(). Needs root. */
export async function createDatapathRig<D extends DatapathLike>(open: (bpfRoot: string) => Promise<D>): Promise<DatapathRig<D>> {
  const folder = `/run/ct-rig-${process.pid}-${++rigs}`;
  const bpfRoot = `${folder}/bpf`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const node = createNamespace(`${folder}/netns`);
  const clear = (): void => {
    node.close();
    deleteNamespace(node.path);
    execFileSync('umount', ['--lazy', bpfRoot], { stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
  };
  ensureBpffs(bpfRoot);
  let datapath = await open(bpfRoot).catch((error: unknown) => {
    clear();
    throw error;
  });
  let closing: Promise<void> | undefined;
  const rig: DatapathRig<D> = {
    bpfRoot,
    node,
    get datapath() {
      return datapath;
    },
    async reopen() {
      await datapath.close();
      datapath = await open(bpfRoot);
      return datapath;
    },
    addDevice: (ifindex) => addDevice(node, ifindex),
    addUplink: (ifindex) => addUplink(node, ifindex),
    run: (program, frame, context) => runProgram(node, datapath.programs[program], frame, context),
    close: () => (closing ??= datapath.close().finally(clear)),
    [Symbol.asyncDispose]: () => rig.close(),
  };
  return rig;
}

async function addDevice(node: Namespace, ifindex: number): Promise<void> {
  const netlink = openNetlink({ netns: node });
  try {
    await netlink.createVeth({ name: `d${ifindex}`, index: ifIndex(ifindex), up: true, peer: { name: `d${ifindex}-p` } });
    await netlink.setLink(`d${ifindex}-p`, { up: true });
  } finally {
    netlink.close();
  }
}

async function addUplink(node: Namespace, ifindex: number): Promise<void> {
  for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) writeSysctl(name, 1, { netns: node });
  await addDevice(node, ifindex);
  const netlink = openNetlink({ netns: node });
  try {
    for (const text of ['0.0.0.0/0', '::/0']) {
      const destination = parseCidr(text);
      if (destination !== undefined) await netlink.addRoute({ destination, link: ifIndex(ifindex) });
    }
  } finally {
    netlink.close();
  }
}

function runProgram(node: Namespace, program: Program, frame: Uint8Array, { ifindex, by = 0 }: { readonly ifindex: number; readonly by?: number }): ProgramRun {
  const ctx = skbContext({ ifindex, ingressIfindex: by });
  const { retval, dataOut, ctxOut } = node.run(() => program.testRun({ data: frame, ctx }));
  const verdict = VERDICTS[retval];
  if (verdict === undefined) throw new RangeError(`run a program: it returned ${retval}, which is no verdict of this datapath's`);
  return { verdict, data: dataOut, context: readSkbContext(ctxOut) };
}
