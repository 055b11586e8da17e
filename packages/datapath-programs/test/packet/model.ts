import { viewOf } from '@cilium-ts/testkit';

/**
 * What the programs may let through, told independently of them: a slow, plain reading of the packet, and a memory of
 * the flows that policy has allowed. It errs on the side of "may pass" only where noted.
 */
export interface ModelPod {
  readonly name: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly device: number;
}

/** Does policy let `from` begin with `to`? `port` is the ICMP type for ICMP. */
export type ModelPolicy = (from: string, to: string, protocol: number, port: number) => boolean;

interface Tuple {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly kind: number;
  readonly icmpType: number;
  readonly initial: boolean;
  /** Who asks, where there are requests and replies. */
  readonly role: 'none' | 'asks' | 'answers';
}

interface Network {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Bytes of the transport layer. */
  readonly rest: Uint8Array;
  readonly hopLimit: number;
  readonly fragment?: { readonly key: string; readonly offset: number };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Addresses are compared as hexadecimal text of their bytes. */
export const hexAddress = (bytes: Uint8Array): string => hex(bytes);
const LINK_TYPES = new Set([130, 131, 132, 133, 134, 135, 136, 137, 143]);
const EXTENSIONS = new Set([0, 43, 44, 51, 60]);
const REFUSED = new Set([59, 135, 139, 140, 253, 254]);
const SENDS_PORTS = new Set([6, 17, 132]);

export class Model {
  readonly #pods: readonly ModelPod[];
  readonly #policy: ModelPolicy;
  readonly #flows = new Set<string>();
  readonly #fragments = new Map<string, Tuple>();

  constructor(pods: readonly ModelPod[], policy: ModelPolicy) {
    this.#pods = pods;
    this.#policy = policy;
  }

  /** May this packet, out of `pod`, go anywhere? Call `passed()` when it did. */
  fromPod(pod: ModelPod, bytes: Uint8Array): Tuple | 'link' | undefined {
    if (hex(bytes.subarray(6, 12)) !== pod.mac) return undefined;
    const type = viewOf(bytes).getUint16(12);
    if (type === 0x0806) return this.#arp(pod, bytes.subarray(14));
    const network = this.#network(type, bytes.subarray(14));
    if (network === undefined) return undefined;
    if (network.family === 6 && isLinkIcmp(network)) return this.#neighbour(pod, network) ? 'link' : undefined;
    if (!pod.addresses.includes(network.source) || isSpecial(network) || (bytes[0]! & 1) !== 0) return undefined;
    return this.#judge(network, (quoted) => pod.addresses.includes(quoted.source));
  }

  /** The same for a packet to `pod` which came in by the device `by` (0: the node's own). */
  toPod(pod: ModelPod, by: number, bytes: Uint8Array): Tuple | 'link' | undefined {
    const type = viewOf(bytes).getUint16(12);
    if (type === 0x0806) return by === 0 ? 'link' : undefined;
    const network = this.#network(type, bytes.subarray(14));
    if (network === undefined) return undefined;
    if (network.family === 6 && isLinkIcmp(network)) return by === 0 ? 'link' : undefined;
    const owner = this.#pods.find((each) => each.addresses.includes(network.source));
    if (!pod.addresses.includes(network.destination) || (owner !== undefined && owner.device !== by)) return undefined;
    return this.#judge(network, () => true);
  }

  /** Notes that the packet of this tuple went through. */
  passed(tuple: Tuple | 'link'): void {
    if (tuple !== 'link' && this.#allowed(tuple)) this.#flows.add(flowKey(tuple));
  }

  #allowed(tuple: Tuple): boolean {
    const port = SENDS_PORTS.has(tuple.protocol) ? tuple.destinationPort : tuple.icmpType;
    return this.#policy(tuple.source, tuple.destination, tuple.protocol, port);
  }

  #judge(network: Network, owns: (tuple: Tuple) => boolean): Tuple | undefined {
    const parsed = this.#transport(network);
    if (parsed === undefined) return undefined;
    if (parsed === 'error') {
      const quoted = this.#quoted(network);
      if (quoted === undefined || quoted.source !== network.destination) return undefined;
      const answer = reversed(quoted);
      return owns(answer) && (this.#flows.has(flowKey(quoted)) || this.#flows.has(flowKey(answer))) ? { ...answer, initial: false, icmpType: -1 } : undefined;
    }
    if (this.#allowed(parsed)) return parsed;
    return !parsed.initial && this.#flows.has(flowKey(reversed(parsed))) ? { ...parsed, icmpType: -1 } : undefined;
  }

  #transport(network: Network): Tuple | 'error' | undefined {
    if (network.fragment !== undefined && network.fragment.offset > 0) {
      const first = this.#fragments.get(network.fragment.key);
      return first === undefined || (first.protocol === 6 && network.fragment.offset < 20) ? undefined : first;
    }
    const tuple = transport(network, false);
    if (tuple !== undefined && tuple !== 'error' && network.fragment !== undefined) this.#fragments.set(network.fragment.key, tuple);
    return tuple;
  }

  #quoted(outer: Network): Tuple | undefined {
    const inner = this.#network(outer.family === 4 ? 0x0800 : 0x86dd, outer.rest.subarray(8), true);
    if (inner === undefined || (inner.fragment?.offset ?? 0) > 0) return undefined;
    const tuple = transport(inner, true);
    return tuple === 'error' ? undefined : tuple;
  }

  #network(type: number, bytes: Uint8Array, quoted = false): Network | undefined {
    if (type === 0x0800) return network4(bytes, quoted);
    return type === 0x86dd ? network6(bytes, quoted) : undefined;
  }

  #arp(pod: ModelPod, bytes: Uint8Array): 'link' | undefined {
    if (bytes.length < 28 || !/^000108000604000[12]$/.test(hex(bytes.subarray(0, 8))) || hex(bytes.subarray(8, 14)) !== pod.mac) return undefined;
    const claimed = hex(bytes.subarray(14, 18)) === '00000000' && bytes[7] === 1 ? bytes.subarray(24, 28) : bytes.subarray(14, 18);
    return pod.addresses.includes(hex(claimed)) ? 'link' : undefined;
  }

  /** Only solicitations and advertisements that claim nothing but the pod's own. */
  #neighbour(pod: ModelPod, { rest, source, hopLimit }: Network): boolean {
    const type = rest[0];
    if ((type !== 135 && type !== 136) || hopLimit !== 255 || rest.length < 24) return false;
    const target = hex(rest.subarray(8, 24));
    const linkLocal = (address: string): boolean => /^fe[89ab]/.test(address);
    if (!linkLocal(source) && !pod.addresses.includes(source)) return false;
    if (type === 136 && !pod.addresses.includes(target) && !(linkLocal(target) && target === source)) return false;
    for (let at = 24; at < rest.length; at += rest[at + 1]! * 8) {
      if (!rest[at + 1]) return false;
      if ((rest[at] === 1 || rest[at] === 2) && hex(rest.subarray(at + 2, at + 8)) !== pod.mac) return false;
    }
    return true;
  }
}

function isLinkIcmp({ protocol, rest, fragment }: Network): boolean {
  return protocol === 58 && fragment === undefined && LINK_TYPES.has(rest[0] ?? 0);
}

function isSpecial({ family, destination }: Network): boolean {
  if (family === 6) return /^ff|^0{32}$|^0{31}1$/.test(destination);
  const first = parseInt(destination.slice(0, 2), 16);
  return first === 0 || first === 127 || first >= 224;
}

function network4(bytes: Uint8Array, quoted: boolean): Network | undefined {
  if (bytes.length < 20 || bytes[0]! >> 4 !== 4) return undefined;
  const view = viewOf(bytes);
  const header = (bytes[0]! & 15) * 4;
  const total = view.getUint16(2);
  const word = view.getUint16(6);
  if (header < 20 || (!quoted && (total > bytes.length || total < header || !optionsValid(bytes.subarray(20, header))))) return undefined;
  const source = hex(bytes.subarray(12, 16));
  const destination = hex(bytes.subarray(16, 20));
  const protocol = bytes[9]!;
  const fragmented = (word & 0x3fff) !== 0;
  return {
    family: 4, source, destination, protocol, hopLimit: bytes[8]!, rest: bytes.subarray(header, quoted ? undefined : total),
    ...(fragmented && { fragment: { key: `${source}${destination}${view.getUint16(4)}/${protocol}`, offset: (word & 0x1fff) * 8 } }),
  };
}

function optionsValid(options: Uint8Array): boolean {
  for (let at = 0; at < options.length; ) {
    if (options[at] === 0) return true;
    if (options[at] === 1) at++;
    else {
      const size = options[at + 1] ?? 0;
      if (options[at] === 131 || options[at] === 137 || size < 2 || at + size > options.length) return false;
      at += size;
    }
  }
  return true;
}

function network6(bytes: Uint8Array, quoted: boolean): Network | undefined {
  if (bytes.length < 40 || bytes[0]! >> 4 !== 6) return undefined;
  const view = viewOf(bytes);
  const end = 40 + view.getUint16(4);
  const source = hex(bytes.subarray(8, 24));
  const destination = hex(bytes.subarray(24, 40));
  if (!quoted && (end > bytes.length || /^0{20}ffff/.test(source) || /^0{20}ffff/.test(destination))) return undefined;
  let next = bytes[6]!;
  let at = 40;
  let fragment: Network['fragment'];
  for (let count = 0; EXTENSIONS.has(next); count++) {
    if (count > 8 || at + 8 > bytes.length || (next === 0 && count > 0)) return undefined;
    const [following, length] = [bytes[at]!, bytes[at + 1]!];
    if (next === 43 && bytes[at + 3] !== 0) return undefined;
    if (next === 44) {
      const word = view.getUint16(at + 2);
      if (fragment !== undefined) return undefined;
      if ((word & 0xfff9) !== 0) fragment = { key: `${source}${destination}${view.getUint32(at + 4)}/${following}`, offset: word & 0xfff8 };
      if (fragment !== undefined && fragment.offset > 0) return { family: 6, source, destination, protocol: following, hopLimit: bytes[7]!, rest: bytes.subarray(at + 8), fragment };
    }
    at += next === 44 ? 8 : next === 51 ? (length + 2) * 4 : (length + 1) * 8;
    next = following;
  }
  if (REFUSED.has(next)) return undefined;
  return { family: 6, source, destination, protocol: next, hopLimit: bytes[7]!, rest: bytes.subarray(at, quoted ? undefined : Math.max(at, end)), ...(fragment && { fragment }) };
}

/** Of a quoted packet eight bytes are enough. */
function transport(network: Network, quoted: boolean): Tuple | 'error' | undefined {
  const { protocol, rest, family, source, destination } = network;
  const base = { source, destination, protocol, sourcePort: 0, destinationPort: 0, kind: 0, icmpType: 0, initial: false, role: 'none' as const };
  if (rest.length < 8) return SENDS_PORTS.has(protocol) || protocol === 1 || protocol === 58 || quoted ? undefined : base;
  const view = viewOf(rest);
  if (SENDS_PORTS.has(protocol)) {
    if (!quoted && rest.length < ({ 6: 20, 17: 8, 132: 16 }[protocol] ?? 0)) return undefined;
    const flags = protocol === 6 && !quoted ? rest[13]! : 0;
    if (protocol === 6 && !quoted && ((rest[12]! >> 4) < 5 || ((flags & 2) !== 0 && (flags & 5) !== 0))) return undefined;
    const initial = protocol === 6 ? (flags & 18) === 2 : protocol === 132 && !quoted && rest[12] === 1;
    return { ...base, sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), initial };
  }
  if (protocol !== 1 && protocol !== 58) return base;
  return (protocol === 1) === (family === 4) ? icmpTuple(base, family, rest[0]!, view.getUint16(4)) : undefined;
}

function icmpTuple(base: Tuple, family: 4 | 6, type: number, id: number): Tuple | 'error' | undefined {
  const [request, reply] = family === 4 ? [8, 0] : [128, 129];
  if (type === request) return { ...base, sourcePort: id, icmpType: type, initial: true, role: 'asks' };
  if (type === reply) return { ...base, destinationPort: id, icmpType: type, role: 'answers' };
  if (family === 4 ? [3, 4, 11, 12].includes(type) : type >= 1 && type <= 4) return 'error';
  if (family === 4 ? type === 5 : type < 128) return undefined;
  if (family === 4 && type >= 13 && type <= 18) {
    return type % 2 === 1 ? { ...base, sourcePort: id, kind: type, icmpType: type, initial: true, role: 'asks' } : { ...base, destinationPort: id, kind: type - 1, icmpType: type, role: 'answers' };
  }
  return { ...base, kind: type, icmpType: type, initial: true };
}

function reversed(tuple: Tuple): Tuple {
  const role = tuple.role === 'asks' ? 'answers' : tuple.role === 'answers' ? 'asks' : 'none';
  return { ...tuple, role, source: tuple.destination, destination: tuple.source, sourcePort: tuple.destinationPort, destinationPort: tuple.sourcePort };
}

function flowKey({ source, destination, protocol, sourcePort, destinationPort, kind, role }: Tuple): string {
  return `${source}:${sourcePort}>${destination}:${destinationPort}/${protocol}.${kind}.${role}`;
}
