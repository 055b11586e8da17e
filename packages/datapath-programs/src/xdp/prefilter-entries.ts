import { decodeBytes, encodeBytes, type RawMap } from '@cilium-ts/bpf-maps';
import { concatBytes, type Cidr } from '@cilium-ts/core';
import { DENIED_FOREVER, denied as deniedLayout, type Denied } from '@cilium-ts/datapath-layout';
import { DENIED_LISTS, deniedCidr, deniedKey, listOf, type DeniedList } from './denied-list.ts';

/** One entry to be written. */
export interface EntryWrite {
  readonly cidr: Cidr;
  readonly denied: Denied;
}

/** What the maps hold, judged by the revision in force. */
export interface PrefilterContent {
  /** On the list. */
  readonly members: readonly Cidr[];
  /** On the list, and marked to leave it by a change that never came into force; as they should read. */
  readonly withdrawn: readonly EntryWrite[];
  /** Not on the list: came with a change that never was in force, or left and was not cleared away. */
  readonly rubbish: readonly Cidr[];
}

type Lists = Readonly<Record<DeniedList, RawMap>>;

/** Reads all lists. */
export function readPrefilter(lists: Lists, revision: number): PrefilterContent {
  const members: Cidr[] = [];
  const withdrawn: EntryWrite[] = [];
  const rubbish: Cidr[] = [];
  for (const list of DENIED_LISTS) {
    for (const [key, value] of lists[list].entries()) {
      const cidr = deniedCidr(list, key);
      const denied = decodeBytes(deniedLayout, value);
      if (denied.listedSince > revision || denied.listedUntil <= revision) {
        rubbish.push(cidr);
        continue;
      }
      members.push(cidr);
      if (denied.listedUntil !== DENIED_FOREVER) withdrawn.push({ cidr, denied: { ...denied, until: DENIED_FOREVER, listedUntil: DENIED_FOREVER } });
    }
  }
  return { members, withdrawn, rubbish };
}

/** Writes entries in batches. */
export function writeEntries(lists: Lists, writes: readonly EntryWrite[]): void {
  for (const list of DENIED_LISTS) {
    const own = writes.filter(({ cidr }) => listOf(cidr) === list);
    if (own.length === 0) continue;
    lists[list].updateBatch(concatBytes(...own.map(({ cidr }) => deniedKey(cidr))), concatBytes(...own.map(({ denied }) => encodeBytes(deniedLayout, denied))), own.length);
  }
}

/** Deletes entries; those that are not there are passed over. */
export function removeEntries(lists: Lists, cidrs: readonly Cidr[]): void {
  for (const list of DENIED_LISTS) {
    const own = cidrs.filter((cidr) => listOf(cidr) === list);
    if (own.length > 0) lists[list].deleteBatch(concatBytes(...own.map(deniedKey)), own.length);
  }
}
