import { decodeBytes, encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import { ipToKey16, type Cidr, type IpAddress } from '@cilium-ts/core';
import { MASQUERADE_FLAG, NAT_FLAG, natEntry, natKey, nodeDevice, prefixKey } from '@cilium-ts/datapath-layout';
import { u32Bytes } from '../write/encode.ts';

/** A device of the node to the outside. */
export interface NodeDevice {
  readonly ifindex: number;
  /** What packets that leave by it are given as source: SNAT to backends elsewhere, and masquerade. */
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
  /** Whether endpoints' packets that leave by it are masqueraded. Default: neither family is. */
  readonly masquerade?: { readonly ipv4?: boolean; readonly ipv6?: boolean };
}

/** The tables of the node's devices, in the kernel or in memory. */
export interface NodeTableStore {
  readonly devices: RawMap;
  readonly exclusions: RawMap;
  readonly nat: RawMap;
  /** Resolves when no program runs any more that ran when it was called. */
  readonly gracePeriod: () => Promise<void>;
}

/** Writes what the programs of the node's devices are told. */
export interface NodeTables {
  /**
   * Replaces the devices. Idempotent; what is the same is not written. Connections translated to an address that is gone
   * are forgotten: their answers could not come any more, and what they send next gets the new one.
   */
  setDevices(devices: readonly NodeDevice[]): Promise<void>;
  /** Replaces the destinations that are not masqueraded. */
  setExclusions(cidrs: readonly Cidr[]): Promise<void>;
}

/**
 * Calls are served one after the other. Both tables are read by programs while they are written: the kernel gives the place of a replaced or
 * removed element to the next one at once, so between a replacement or a removal and the next write lies a grace period.
 */
export function createNodeTables(store: NodeTableStore): NodeTables {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = last.then(work, work);
    last = done;
    return done;
  };
  return {
    setDevices: (devices) => {
      const wanted = new Map(devices.map((device) => [hex(u32Bytes(device.ifindex)), deviceBytes(device)]));
      return inTurn(async () => {
        const before = addressesOf(Array.from(store.devices.entries(), ([, value]) => value));
        await replaceAll(store.devices, wanted, store.gracePeriod);
        const gone = without(before, addressesOf([...wanted.values()]));
        if (gone.size > 0) forgetTranslations(store.nat, gone);
      });
    },
    setExclusions: (cidrs) => {
      const wanted = new Map(cidrs.map((cidr) => [hex(prefixBytes(cidr)), u32Bytes(1)]));
      return inTurn(() => replaceAll(store.exclusions, wanted, store.gracePeriod));
    },
  };
}

/** First what is new, then what changes, then what goes: no destination is unknown in between. */
async function replaceAll(map: RawMap, wanted: ReadonlyMap<string, Uint8Array>, gracePeriod: () => Promise<void>): Promise<void> {
  const present = new Map(Array.from(map.entries(), ([key, value]) => [hex(key), hex(value)]));
  for (const [key, value] of wanted) if (!present.has(key)) map.update(bytes(key), value);
  for (const [key, value] of wanted) {
    const before = present.get(key);
    if (before === undefined || before === hex(value)) continue;
    map.update(bytes(key), value);
    await gracePeriod();
  }
  const gone = [...present.keys()].filter((key) => !wanted.has(key));
  for (const key of gone) map.delete(bytes(key));
  if (gone.length > 0) await gracePeriod();
}

/** The addresses of devices, as text. */
function addressesOf(devices: readonly Uint8Array[]): Set<string> {
  const all = devices.map((device) => decodeBytes(nodeDevice, device)).flatMap(({ address4, address6 }) => [hex(address4), hex(address6)]);
  return new Set(all.filter((text) => !/^0*$/.test(text)));
}

function forgetTranslations(nat: RawMap, gone: ReadonlySet<string>): void {
  for (const [key, value] of [...nat.entries()]) {
    const entry = decodeBytes(natEntry, value);
    if (!(entry.flags & NAT_FLAG.ALLOCATED)) continue;
    const chosen = entry.flags & NAT_FLAG.REPLY ? decodeBytes(natKey, key).destination : entry.source;
    if (gone.has(hex(chosen))) nat.delete(key);
  }
}

function deviceBytes({ ipv4, ipv6, masquerade = {} }: NodeDevice): Uint8Array {
  const none = new Uint8Array(16);
  const flags = (masquerade.ipv4 ? MASQUERADE_FLAG.IPV4 : 0) | (masquerade.ipv6 ? MASQUERADE_FLAG.IPV6 : 0);
  return encodeBytes(nodeDevice, { address4: ipv4 === undefined ? none : ipToKey16(ipv4), address6: ipv6 === undefined ? none : ipToKey16(ipv6), flags, reserved: 0 });
}

function prefixBytes({ address, prefixLength, family }: Cidr): Uint8Array {
  return encodeBytes(prefixKey, { prefixlen: prefixLength + (family === 4 ? 96 : 0), address: ipToKey16(address) });
}

const without = (all: ReadonlySet<string>, some: ReadonlySet<string>): ReadonlySet<string> => new Set([...all].filter((each) => !some.has(each)));
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
