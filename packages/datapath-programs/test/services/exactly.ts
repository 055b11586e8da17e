import { encodeBytes } from '@cilium-ts/bpf-maps';
import { ipToKey16 } from '@cilium-ts/core';
import { poolMember, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { expect } from 'vitest';
import { readBackends } from '../../src/services/backend-table.ts';
import { dumpServices } from '../../src/services/dump.ts';
import type { ServiceStore } from '../../src/services/ports.ts';
import { frontendText, isWildcard, type ServiceRecords } from '../../src/services/records.ts';
import { readRun, splitTarget } from '../../src/services/run-store.ts';
import { readService } from '../../src/services/service-table.ts';
import { isAnyAddress, vipBit } from '../../src/services/vip-filter.ts';
import { ip, NODE } from './world.ts';

/** The maps say what the records say, and nothing else. */
export function expectExactly(store: ServiceStore, records: ServiceRecords): void {
  const dumped = dumpServices(store).map((each) => ({
    id: each.id, frontend: frontendText(each), flags: each.flags, timeout: each.affinityTimeout, pool: each.pool,
    ranges: each.sourceRanges.map(({ text }) => text).sort(), run: runOf(store, each.id),
  }));
  const wanted = [...records.services.values()].map((each) => {
    const wildcard = isWildcard(each);
    const ranges = (each.flags & SERVICE_FLAG.SOURCE_RANGE) === 0 ? [] : each.sourceRanges.filter(({ family }) => family === each.address.family);
    return {
      id: wildcard ? undefined : each.id, frontend: frontendText(each), flags: each.flags, timeout: each.affinityTimeout, pool: each.pool,
      ranges: ranges.map(({ text }) => text).sort(), run: wildcard ? [] : [...(records.pools.get(each.pool)?.run ?? [])],
    };
  });
  const order = (a: { frontend: string }, b: { frontend: string }): number => (a.frontend < b.frontend ? -1 : 1);
  expect(dumped.sort(order)).toEqual(wanted.sort(order));
  const backends = [...readBackends(store.backends)].map(({ generation, ...each }) => ({ ...each, address: each.address.text, live: generation > 0 }));
  expect(backends).toEqual([...records.backends.values()].sort((a, b) => a.index - b.index).map((each) => ({ ...each, address: each.address.text, live: true })));
  expect(setBits(store)).toEqual(wantedBits(records));
  if (store.poolMembers !== undefined) expect([...store.poolMembers.entries()].map(([key]) => hex(key)).sort()).toEqual(wantedMembers(records));
}

/** Nothing is left behind of what was: to be called when the writer has settled. */
export function expectNothingElse(store: ServiceStore, records: ServiceRecords): void {
  for (let id = 1; id < store.services.length / 8; id++) if (!records.services.has(id)) expect([id, readService(store.services, id)?.target]).toEqual([id, 0n]);
  const wanted = [...records.services.values()].reduce((sum, { flags, sourceRanges, address }) => sum + ((flags & SERVICE_FLAG.SOURCE_RANGE) === 0 ? 0 : sourceRanges.filter(({ family }) => family === address.family).length), 0);
  expect([...store.sourceRanges.entries()]).toHaveLength(wanted);
}

function runOf(store: ServiceStore, id: number | undefined): number[] {
  const [place, length] = splitTarget(id === undefined ? 0n : (readService(store.services, id)?.target ?? 0n));
  return length === 0 ? [] : [...readRun(store.runs, place / 2, length)];
}

/** Backends of the pools of services in DSR mode. */
function wantedMembers({ services, backends }: ServiceRecords): string[] {
  const pools = new Set([...services.values()].filter((each) => (each.flags & SERVICE_FLAG.DSR) !== 0 && !isWildcard(each)).map(({ pool }) => pool));
  const wanted = [...backends.values()].filter(({ pool }) => pools.has(pool));
  return wanted.map(({ address, pool, port, protocol }) => hex(encodeBytes(poolMember, { address: ipToKey16(address), pool, port, protocol, reserved: 0 }))).sort();
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');

function setBits(store: ServiceStore): number[] {
  const words = new BigUint64Array(store.vips.length);
  store.vips.read(0, words);
  const bits: number[] = [];
  new Uint32Array(words.buffer).forEach((half, index) => {
    for (let bit = 0; half !== 0 && bit < 32; bit++) if ((half >>> bit) & 1) bits.push(index * 32 + bit);
  });
  return bits;
}

function wantedBits(records: ServiceRecords): number[] {
  const addresses = [...records.services.values()].flatMap(({ address }) => [address, ...(isAnyAddress(address) ? NODE.map(ip).filter(({ family }) => family === address.family) : [])]);
  return [...new Set(addresses.map(vipBit))].sort((a, b) => a - b);
}
