import { spawnSync } from 'node:child_process';
import { parseIp, parseMac, type IpAddress, type MacAddress } from '@cilium-ts/core';
import { ethernet, ipv4, ipv6, packet, payload, tcp, type TcpFlag } from '@cilium-ts/testkit';

/** One of the two pods between which packets travel: real devices, because a test run names one; made-up pods. */
export interface Pod {
  readonly slot: number;
  readonly id: number;
  readonly identity: number;
  readonly ifindex: number;
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
  readonly mac: MacAddress;
  readonly hostMac: MacAddress;
}

/** Where the agent puts its devices: from there up the datapath finds slots in an array. */
const FIRST_IFINDEX = 10_000;

/** Makes two veth pairs in the current network namespace. */
export function createPods(): { client: Pod; server: Pod } {
  const pods = [1, 2].map((number) => pod(number));
  for (const { ifindex, mac, hostMac } of pods) {
    ip(`link add lxc${ifindex} index ${ifindex} address ${hostMac.text} type veth peer name pod${ifindex} address ${mac.text}`);
    ip(`link set lxc${ifindex} up`);
    ip(`link set pod${ifindex} up`);
  }
  const [client, server] = pods as [Pod, Pod];
  return { client, server };
}

function pod(number: number): Pod {
  return {
    slot: number, id: 100 + number, identity: 1000 * number, ifindex: FIRST_IFINDEX + number,
    ipv4: parsed(parseIp, `10.10.0.${number}`), ipv6: parsed(parseIp, `fd10::${number}`),
    mac: parsed(parseMac, `02:00:00:00:01:0${number}`), hostMac: parsed(parseMac, `02:00:00:00:02:0${number}`),
  };
}

function parsed<T>(parse: (text: string) => T | undefined, text: string): T {
  const value = parse(text);
  if (value === undefined) throw new TypeError(`not an address: ${text}`);
  return value;
}

/** A made-up address that stands for a server: what is needed of it to build packets to it. */
export function serviceFor(server: Pod): Pod {
  return { ...server, ipv4: parsed(parseIp, '10.96.0.10') };
}

/** Runs one `ip` command. */
export function ip(command: string): void {
  const { status, stderr, error } = spawnSync('ip', command.split(' '), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${command} failed: ${error?.message ?? stderr.trim()}`);
}

/** A TCP segment from one pod to the other, as it comes out of the sender. */
export interface Segment {
  readonly from: Pod;
  readonly to: Pod;
  readonly family: 4 | 6;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: readonly TcpFlag[];
}

/** The segment's bytes, at least 64 of them. */
export function segment({ from, to, family, sourcePort, destinationPort, flags }: Segment): Uint8Array {
  const network = family === 4
    ? ipv4({ source: from.ipv4.text, destination: to.ipv4.text })
    : ipv6({ source: from.ipv6.text, destination: to.ipv6.text });
  const layers = [ethernet({ source: from.mac.text, destination: from.hostMac.text }), network, tcp({ sourcePort, destinationPort, flags })];
  return packet(...layers, payload(new Uint8Array(16)));
}
