import type { RawMap } from '@cilium-ts/bpf-maps';
import { cidrContains, ipFromKey16 } from '@cilium-ts/core';
import { NAT_FLAG, natEntryOffsets, natKeyOffsets, SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import type { ServiceRecord } from '../services/records.ts';

/** A service as far as it says whom it serves. */
export type GuardedService = Pick<ServiceRecord, 'id' | 'flags' | 'sourceRanges'>;

/** Entries looked at before others get a turn. */
const CHUNK = 2048;
/** While one entry of a connection goes, a packet may bring it back from the other. */
const MAX_PASSES = 4;

/**
 * Forgets connections through these services of clients that they refuse now: their next packets are new ones, and
 * refused. Packets find their connections without asking for source ranges again, so whoever changes these calls it
 * afterwards. Resolves to the number of entries removed.
 */
export async function forgetRefused(nat: RawMap, services: readonly GuardedService[]): Promise<number> {
  const guarded = new Map(services.filter(({ flags }) => (flags & SERVICE_FLAG.SOURCE_RANGE) !== 0).map((service) => [service.id, service]));
  let removed = 0;
  if (guarded.size === 0) return removed;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const refused = await findRefused(nat, guarded);
    for (const key of refused) nat.delete(key);
    removed += refused.length;
    if (refused.length === 0) break;
  }
  return removed;
}

async function findRefused(nat: RawMap, guarded: ReadonlyMap<number, GuardedService>): Promise<Uint8Array[]> {
  const refused: Uint8Array[] = [];
  let count = 0;
  for (const [key, value] of nat.entries()) {
    if (++count % CHUNK === 0) await new Promise(setImmediate);
    const view = new DataView(value.buffer, value.byteOffset);
    const flags = view.getUint16(natEntryOffsets.flags, true);
    const service = flags & NAT_FLAG.SERVICE ? guarded.get(view.getUint16(natEntryOffsets.service, true)) : undefined;
    if (service === undefined) continue;
    const client = flags & NAT_FLAG.REPLY ? value.subarray(natEntryOffsets.destination) : key.subarray(natKeyOffsets.source);
    if (isRefused(service, client.subarray(0, 16))) refused.push(key.slice());
  }
  return refused;
}

function isRefused({ flags, sourceRanges }: GuardedService, client: Uint8Array): boolean {
  const address = ipFromKey16(client);
  const covered = sourceRanges.some((range) => cidrContains(range, address));
  return covered === ((flags & SERVICE_FLAG.SOURCE_DENY) !== 0);
}
