import { createTable } from '@cilium-ts/reconciler';
import type { Table } from '@cilium-ts/reconciler';
import type { Kept, Kind } from './keeper.ts';

/** Programs at one place: both of a device, the one before its stack, those of a cgroup. */
export interface KeptPrograms extends Kept {
  readonly place: number;
}

/** How programs are seen and attached again. */
export interface AttachedProgramsDeps {
  readonly name: string;
  isAttached(place: number): boolean;
  attach(place: number): void;
}

/** A table of places that are to have programs. */
export const createProgramTable = (name: string): Table<KeptPrograms> => createTable<KeptPrograms>({ name, key: ({ key }) => key });

/** Programs that are attached by links or filters, of which nobody tells when they go: they are looked at in full passes. */
export const createProgramKind = (desired: Table<KeptPrograms>, { name, isAttached, attach }: AttachedProgramsDeps): Kind<KeptPrograms> => ({
  name,
  desired,
  present: () => Promise.resolve([...desired.all()].filter(({ place }) => isAttached(place)).map(({ key }) => key)),
  repair: ({ key, place }) => {
    // Looked at once more: it may have gone from the table, and the programs from their place with reason.
    if (!desired.has(key) || isAttached(place)) return Promise.resolve(false);
    attach(place);
    return Promise.resolve(true);
  },
});
