import { openObject, skbContext, createTestRunBuffers, testRunCpuNs, xdpContext, SKB_CONTEXT_SIZE, XDP_CONTEXT_SIZE, type BpfMap, type BpfObject, type Program, type TestRunBuffers } from 'libbpf-napi';

/** What the wrapper calls: a program under test, or one of its own. */
export type Target = Program | 'noop' | 'lookup';

/** One packet, and the device it comes by. */
export interface WrappedPacket {
  /** At least 64 bytes, IPv4 or IPv6 without options, then TCP or UDP. */
  readonly packet: Uint8Array;
  readonly ifindex: number;
  /** How many ports to go through, from `firstPort` up; 1: the packet's own. */
  readonly ports?: number;
  readonly firstPort?: number;
  /** Which port changes. Default: the source's. */
  readonly rotate?: 'source' | 'destination';
  /** Where the program under test runs. Default: tc. */
  readonly hook?: 'tc' | 'xdp';
}

/** Names in bpf/wrapper.bpf.c. */
const HOOKS = {
  tc: { wrap: 'wrap', noop: 'noop', jump: 'jump', ctx: SKB_CONTEXT_SIZE },
  xdp: { wrap: 'wrap_xdp', noop: 'noop_xdp', jump: 'jump_xdp', ctx: XDP_CONTEXT_SIZE },
} as const;

/** What a burst of test runs took. */
export interface Burst {
  /** CPU time of this thread per run, in nanoseconds, the test-run loop included. */
  readonly nanoseconds: number;
  /** What the last run returned. */
  readonly verdict: number;
}

/** A program called again and again on one packet, restored before each call (see bpf/wrapper.bpf.c). */
export interface WrappedProgram extends Disposable {
  burst(repeat: number): Burst;
}

/** Loads a wrapper of its own around `target`. */
export async function wrapProgram(object: string, target: Target, wrapped: WrappedPacket): Promise<WrappedProgram> {
  const { packet, ifindex, hook = 'tc' } = wrapped;
  const { wrap, noop, jump, ctx } = HOOKS[hook];
  const loaded = await load(object, wrapped);
  const called = typeof target === 'string' ? loaded.program(target === 'noop' ? noop : target) : target;
  loaded.map(jump).update(u32(0), u32(called.fd));
  if (target === 'lookup') fillUnit(loaded.map('unit'));
  const buffers = createTestRunBuffers({ dataIn: packet.length, dataOut: 0, ctx });
  buffers.dataIn.set(packet);
  if (hook === 'tc') skbContext({ ifindex, ingressIfindex: ifindex }, buffers.ctxIn);
  else xdpContext({ size: packet.length, ingressIfindex: ifindex }, buffers.ctxIn);
  const program = loaded.program(wrap);
  return {
    burst: (repeat) => runBurst(program, buffers, repeat),
    [Symbol.dispose]: () => loaded.close(),
  };
}

async function load(object: string, { packet, ports = 1, firstPort = 1024, rotate = 'source' }: WrappedPacket): Promise<BpfObject> {
  if (packet.length < 64) throw new RangeError(`packet: ${packet.length} bytes, the wrapper restores 64`);
  const transport = packet[12] === 0x86 ? 54 : 34;
  return openObject(object)
    .setConfig('headers', packet.slice(0, 64))
    .setConfig('port_offset', rotate === 'source' ? transport : transport + 2)
    .setConfig('ports', ports)
    .setConfig('first_port', firstPort)
    .setConfig('unit_key', unitKey(0))
    .setConfig('frame_length', packet.length)
    .load();
}

function runBurst(program: Program, buffers: TestRunBuffers, repeat: number): Burst {
  buffers.options[0] = repeat;
  const verdict = program.testRunRaw(buffers);
  return { nanoseconds: testRunCpuNs(buffers) / repeat, verdict };
}

const UNIT_ENTRIES = 100_000;

function fillUnit(unit: BpfMap): void {
  const keys = new Uint8Array(UNIT_ENTRIES * 40);
  for (let i = 0; i < UNIT_ENTRIES; i++) keys.set(unitKey(i), i * 40);
  unit.updateBatch(keys, new Uint8Array(UNIT_ENTRIES * unit.valueSize), UNIT_ENTRIES);
}

/** Shaped like the key of a flow: two addresses, ports that differ. */
function unitKey(index: number): Uint8Array {
  const key = new Uint8Array(40);
  key.set([0xff, 0xff, 10, 0, 0, 1], 10);
  key.set([0xff, 0xff, 10, 0, 0, 2], 26);
  new DataView(key.buffer).setUint32(32, index, true);
  return key;
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
