import { spawnSync } from 'node:child_process';
import { encodeBytes } from '@cilium-ts/bpf-maps';
import { openServices, openXdp, type Xdp } from '@cilium-ts/datapath-programs';
import { nodeDevice, remote, REMOTE_FLAG } from '@cilium-ts/datapath-layout';
import { ipToKey16 } from '@cilium-ts/core';
import { ethernet, ipv4, packet, parsePacket, payload, tcp, type TcpFlag } from '@cilium-ts/testkit';
import { xdpContext, type Program } from 'libbpf-napi';
import { addressOf, balancerOf } from '../lb/balancer.ts';
import { writeServices } from '../lb/socket-services.ts';
import type { BenchService } from '../lb/service-set.ts';
import { ip } from './pods.ts';
import { wrapProgram, type WrappedPacket } from './wrapped-program.ts';

/** How a service's packets get to a backend elsewhere. */
export type Forwarding = 'snat' | 'dsr';

/** A load balancer's device with the shipped program, and connections through it. */
export interface XdpStage extends AsyncDisposable {
  readonly program: Program;
  /** The client's next packet of a connection that is established. */
  established(forwarding: Forwarding): WrappedPacket;
}

const DEVICE = 20_001;
const NODE = '192.168.0.1';
const GATEWAY = '192.168.0.254';
const CLIENT = '192.168.0.100';
const MAC = { node: '02:00:00:00:00:01', gateway: '02:00:00:00:00:fe', client: '02:00:00:00:00:c1' } as const;
const PORT = 80;
const FIRST_PORT = 10_000;
/** Back by the device that it came by (linux/bpf.h). */
export const XDP_TX = 3;
const IPIP = 4;

/** How many connections there are of each kind: 100,000 entries in the table of translations. */
const CONNECTIONS: Readonly<Record<Forwarding, number>> = { snat: 40_000, dsr: 20_000 };
/** Services of each kind, each with a Maglev table of its own. */
const SERVICES = 40;
const BACKENDS = 50;

const vip = (forwarding: Forwarding, number: number): string => `198.51.${forwarding === 'snat' ? 100 : 101}.${number}`;

/** Makes the device in this process's network namespace, loads the program, fills its maps and opens the connections. */
export async function openXdpStage({ wrapper, bpfRoot }: { readonly wrapper: string; readonly bpfRoot: string }): Promise<XdpStage> {
  makeRouter();
  const xdp = await openXdp({}, { bpfRoot, config: { dsrIpip: 1 } });
  const close = async (): Promise<void> => {
    xdp.detach(DEVICE);
    await xdp.close();
  };
  try {
    const program = xdp.programs.entry;
    // A test run names a receive queue, which a veth device has only while a program is attached.
    xdp.attach(DEVICE, 'native');
    tellOfDevice(xdp);
    await addServices(xdp);
    for (const forwarding of ['snat', 'dsr'] as const) await openConnections(wrapper, program, forwarding);
    return { program, established: (forwarding) => ({ ...segment(forwarding, ['ack']), ports: 1 }), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** One device, by which clients come and behind whose gateway the backends are. */
function makeRouter(): void {
  const { status, stderr } = spawnSync('sysctl', ['-qw', 'net.ipv4.ip_forward=1'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`setting net.ipv4.ip_forward failed: ${stderr.trim()}`);
  ip(`link add eth0 index ${DEVICE} address ${MAC.node} type veth peer name far0`);
  for (const device of ['eth0', 'far0']) ip(`link set ${device} up`);
  ip(`address add ${NODE}/24 dev eth0`);
  for (const [address, mac] of [[GATEWAY, MAC.gateway], [CLIENT, MAC.client]] as const) ip(`neigh replace ${address} lladdr ${mac} nud permanent dev eth0`);
  ip(`route add default via ${GATEWAY} dev eth0`);
}

/** What the agent tells of a node's devices. */
function tellOfDevice({ maps }: Xdp): void {
  const address4 = ipToKey16(addressOf(NODE));
  maps.cilium_node_devices.update(u32(DEVICE), encodeBytes(nodeDevice, { address4, address6: new Uint8Array(16), flags: 0, reserved: 0 }));
  maps.cilium_addresses.update(address4, u32(1));
  const host = { identity: 1, flags: REMOTE_FLAG.HOST };
  maps.cilium_remotes.update(u32(1), encodeBytes(remote, { half: [host, host] }));
}

async function addServices({ maps }: Xdp): Promise<void> {
  const services = (forwarding: Forwarding): BenchService[] => Array.from({ length: SERVICES }, (_, i) => ({
    name: `${forwarding}-${i}`, address: vip(forwarding, i + 1), port: PORT,
    backends: Array.from({ length: BACKENDS }, (_each, k) => ({ address: `10.${forwarding === 'snat' ? 20 : 21}.${i}.${k + 1}`, port: 8080 })),
  }));
  const writer = await openServices({}, maps);
  const all = [...services('snat'), ...services('dsr')];
  const balancer = balancerOf(all, { kind: 'LoadBalancer', algorithm: 'maglev', forwardingOf: (name) => (name.startsWith('dsr') ? 'dsr' : 'snat') });
  await writeServices(writer, balancer, [addressOf(NODE)]);
  await writer.close();
}

function segment(forwarding: Forwarding, flags: readonly TcpFlag[]): WrappedPacket {
  const layers = [
    ethernet({ source: MAC.client, destination: MAC.node }),
    ipv4({ source: CLIENT, destination: vip(forwarding, SERVICES >> 1) }),
    tcp({ sourcePort: FIRST_PORT, destinationPort: PORT, flags }),
    payload(new Uint8Array(16)),
  ];
  return { packet: packet(...layers), ifindex: DEVICE, hook: 'xdp', firstPort: FIRST_PORT };
}

async function openConnections(wrapper: string, program: Program, forwarding: Forwarding): Promise<void> {
  const count = CONNECTIONS[forwarding];
  for (const flags of [['syn'], ['ack']] as const) {
    using wrapped = await wrapProgram(wrapper, program, { ...segment(forwarding, flags), ports: count });
    const { verdict } = wrapped.burst(count);
    if (verdict !== XDP_TX) throw new Error(`opening connections by ${forwarding} failed: the program returned ${verdict}, not XDP_TX`);
  }
  checkTranslation(program, forwarding);
}

/** That packets go where they should, not only somewhere. */
function checkTranslation(program: Program, forwarding: Forwarding): void {
  const { packet: data } = segment(forwarding, ['ack']);
  const { dataOut } = program.testRun({ data, ctx: xdpContext({ size: data.length, ingressIfindex: DEVICE }) });
  const { ip: header } = parsePacket(dataOut);
  const right = header?.destination.startsWith(forwarding === 'snat' ? '10.20.' : '10.21.') && (forwarding === 'dsr') === (dataOut[23] === IPIP);
  if (!right) throw new Error(`measuring XDP by ${forwarding}: a packet went to ${header?.destination ?? 'nobody'}, protocol ${dataOut[23]}`);
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
