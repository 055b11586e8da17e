import { ethernet, ipv4, ipv6, packet, parsePacket, payload, tcp, udp, type Ipv4Fields, type Ipv6Fields, type Layer, type ParsedPacket, type TcpFlag } from '@cilium-ts/testkit';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { Services, type TestService } from '../packet/services.ts';
import { MAC, XdpSandbox } from './sandbox.ts';

export type Family = 4 | 6;
export const FAMILIES = [{ family: 4 }, { family: 6 }] as const;

/** Who is who: the client beyond the node's first device, backends there, beyond the second, and on the node itself. */
export const CLIENT = { 4: '192.168.0.100', 6: 'fd00:0:0:1::100' } as const;
export const VIP = { 4: '198.51.100.1', 6: '2001:db8::1' } as const;
export const ONE = { 4: '192.168.0.11', 6: 'fd00:0:0:1::11' } as const;
export const TWO = { 4: '192.168.0.12', 6: 'fd00:0:0:1::12' } as const;
export const FAR = { 4: '10.1.0.13', 6: 'fd00:0:0:2::13' } as const;
export const ANYWHERE = { 4: '0.0.0.0', 6: '::' } as const;
export const TCP = 6;
export const UDP = 17;

/** A router with services. */
export interface Scene extends Disposable {
  readonly sandbox: XdpSandbox;
  readonly services: Services;
  /** Adds a service at the VIP, port 80, that clients outside may use. */
  add(family: Family, more?: Partial<TestService>): number[];
  /** As after openScene(). */
  reset(): void;
}

/** Opens a sandbox with everything but services. */
export async function openScene(config: Readonly<Record<string, number>> = {}): Promise<Scene> {
  const sandbox = await XdpSandbox.open(config);
  try {
    await sandbox.prepareRouter();
  } catch (error) {
    sandbox.close();
    throw error;
  }
  const services = new Services(sandbox);
  let id = 0;
  return {
    sandbox,
    services,
    add: (family, more = {}) => services.add({ id: ++id, address: VIP[family], port: 80, protocol: TCP, flags: SERVICE_FLAG.LOAD_BALANCER | SERVICE_FLAG.ROUTABLE, backends: [{ address: ONE[family], port: 8080 }], ...more }),
    reset() {
      id = 0;
      services.clear();
      sandbox.reset();
    },
    [Symbol.dispose]: () => sandbox.close(),
  };
}

export type Extra = Partial<Ipv4Fields> & Partial<Ipv6Fields>;

/** A frame to the node's first device. */
export function frame(family: Family, [source, destination]: readonly [string, string], layers: readonly Layer[], extra: Extra = {}): Uint8Array {
  const network = family === 4 ? ipv4({ source, destination, ...extra }) : ipv6({ source, destination, ...extra });
  return packet(ethernet({ source: MAC.client, destination: MAC.node }), network, ...layers);
}

/** A client's TCP segment to the service. */
export function segment(family: Family, flags: readonly TcpFlag[] = ['syn'], { sourcePort = 40_000, size = 0, extra = {} }: { sourcePort?: number; size?: number; extra?: Extra } = {}): Uint8Array {
  return frame(family, [CLIENT[family], VIP[family]], [tcp({ sourcePort, destinationPort: 80, flags }), ...(size > 0 ? [payload(filled(size))] : [])], extra);
}

/** A client's datagram to the service. */
export function datagram(family: Family, { sourcePort = 40_000, checksum }: { sourcePort?: number; checksum?: number } = {}): Uint8Array {
  return frame(family, [CLIENT[family], VIP[family]], [udp({ sourcePort, destinationPort: 80, ...(checksum !== undefined && { checksum }) }), payload(filled(7))]);
}

/** Bytes that are not all alike. */
export function filled(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 37 + 11) & 0xff);
}

/** An IPv4 or IPv6 packet within an Ethernet frame, and what is in it, as frames. */
export function unwrap(data: Uint8Array): { readonly outer: ParsedPacket; readonly inner: ParsedPacket; readonly innerBytes: Uint8Array } {
  const outer = parsePacket(data);
  const innerBytes = data.slice(14 + outer.ip!.headerLength);
  const dressed = new Uint8Array([...data.slice(0, 14), ...innerBytes]);
  return { outer, inner: parsePacket(dressed), innerBytes };
}

/** From, to, ports, hops and whether all checksums are right. */
export function summary(data: Uint8Array): unknown {
  const { ethernet: e, ip, transport } = parsePacket(data);
  return {
    macs: [e.source, e.destination], source: [ip?.source, transport?.sourcePort], destination: [ip?.destination, transport?.destinationPort],
    hops: ip?.ttl, valid: ip?.checksumValid === true && transport?.checksumValid === true,
  };
}
