import { ipToKey16, type IpAddress } from '@cilium-ts/core';
import { VIP_BITS } from '@cilium-ts/datapath-layout';
import type { WordBlock } from './ports.ts';

/** The bit of an address in cilium_vips, as the programs compute it. */
export function vipBit(address: IpAddress): number {
  const view = new DataView(ipToKey16(address).buffer);
  const mixed = view.getUint32(0, true) ^ view.getUint32(4, true) ^ view.getUint32(8, true) ^ view.getUint32(12, true);
  return Math.imul(mixed, 0x9e37_79b1) >>> (32 - VIP_BITS);
}

/** Does this address stand for every address of the node? */
export function isAnyAddress(address: IpAddress): boolean {
  return address.bytes.every((byte) => byte === 0);
}

/**
 * The filter of service addresses: a bit is set while anything needs it. Bits that a previous run left are kept until
 * `sweep`, so that nothing goes missing meanwhile.
 */
export class VipFilter {
  readonly #words: WordBlock;
  readonly #counts = new Map<number, number>();
  /** Frontends of every address of the node, by family. */
  readonly #anywhere = { 4: 0, 6: 0 };
  #node: readonly IpAddress[] = [];
  #swept = false;

  constructor(words: WordBlock) {
    this.#words = words;
  }

  /**
   * A frontend of this address is about to be inserted, or was found. That of every address of the node sets their bits
   * as well as its own: programs ask for the latter where they know of the former by other means (loopback, bind).
   */
  add(address: IpAddress): void {
    this.#count(address, 1);
    if (isAnyAddress(address) && this.#anywhere[address.family]++ === 0) for (const each of this.#nodeOf(address.family)) this.#count(each, 1);
  }

  /** A frontend of this address has been deleted. */
  remove(address: IpAddress): void {
    this.#count(address, -1);
    if (isAnyAddress(address) && --this.#anywhere[address.family] === 0) for (const each of this.#nodeOf(address.family)) this.#count(each, -1);
  }

  /** What the node's addresses are now. */
  setNodeAddresses(addresses: readonly IpAddress[]): void {
    const before = this.#node;
    if (before.length === addresses.length && addresses.every((each, index) => each.text === before[index]?.text)) return;
    for (const each of addresses) if (this.#anywhere[each.family] > 0) this.#count(each, 1);
    for (const each of before) if (this.#anywhere[each.family] > 0) this.#count(each, -1);
    this.#node = addresses;
  }

  /** Clears what a previous run left, once all that is wanted has been added. */
  sweep(): void {
    if (this.#swept) return;
    this.#swept = true;
    const [wanted, found] = [new BigUint64Array(this.#words.length), new BigUint64Array(this.#words.length)];
    this.#words.read(0, found);
    // By halves: comparing 64-bit numbers one by one takes far longer.
    const [wantedHalves, foundHalves] = [new Uint32Array(wanted.buffer), new Uint32Array(found.buffer)];
    for (const bit of this.#counts.keys()) wantedHalves[bit >>> 5] = (wantedHalves[bit >>> 5] ?? 0) | (1 << (bit & 31));
    wantedHalves.forEach((half, index) => {
      if (foundHalves[index] !== half) this.#words.store(index >>> 1, wanted[index >>> 1] ?? 0n);
    });
  }

  #nodeOf(family: 4 | 6): IpAddress[] {
    return this.#node.filter((each) => each.family === family);
  }

  #count(address: IpAddress, change: 1 | -1): void {
    const bit = vipBit(address);
    const count = (this.#counts.get(bit) ?? 0) + change;
    if (count > 0) this.#counts.set(bit, count);
    else this.#counts.delete(bit);
    if (change === 1 ? count === 1 : count === 0 && this.#swept) this.#set(bit, change === 1);
  }

  #set(bit: number, on: boolean): void {
    const word = this.#words.load(bit >>> 6);
    const mask = 1n << BigInt(bit & 63);
    const next = on ? word | mask : word & ~mask;
    if (next !== word) this.#words.store(bit >>> 6, next);
  }
}
