import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { createIdentityAllocator, IdentityError, parseLabel } from '@cilium-ts/identity';
import type { IdentityAllocator, IdentityStore, ReservedIdentities } from '@cilium-ts/identity';
import { join } from 'node:path';
import { readFileIfThereSync, setAsideSync, writeFileAtomicSync } from './atomic-file.ts';

const fileStore = (path: string): IdentityStore => ({
  load() {
    const text = readFileIfThereSync(path);
    return text === undefined ? undefined : JSON.parse(text);
  },
  save: (records) => { writeFileAtomicSync(path, JSON.stringify(records)); },
});

/** Numbers that other records vouch for, should the store be lost. */
export interface Witness {
  readonly id: number;
  readonly labels: readonly string[];
}

/** What to open. */
export interface IdentityFileOptions {
  readonly stateDir: string;
  readonly scope: 'global' | 'local';
  readonly reserved: ReservedIdentities;
  /** Consulted only when the store is corrupt. */
  readonly witnesses: () => Iterable<Witness>;
  readonly logger: Logger;
}

/**
 * Opens the allocator of a scope over its file in the state folder. A corrupt file is set aside and reported; the numbers
 * in use are then taken from the endpoints' own records, so that they stay the same.
 */
export const openIdentityAllocator = ({ stateDir, scope, reserved, witnesses, logger }: IdentityFileOptions): IdentityAllocator => {
  const path = join(stateDir, `identities-${scope}.json`);
  const store = fileStore(path);
  try {
    return createIdentityAllocator({ scope, store, reserved });
  } catch (error) {
    if (!(error instanceof IdentityError) || (error.code !== 'store-corrupt' && error.code !== 'store-read')) throw error;
    const aside = setAsideSync(path, join(stateDir, 'set-aside'), new Date());
    logger.error({ path, aside, error: errorMessage(error) }, 'the identity store is corrupt and was set aside; numbers are taken from the endpoints');
    const numbers = new Map([...witnesses()].map(({ id, labels }) => [id, labels] as const));
    const identities = [...numbers].filter(([id]) => id >= 256).map(([id, labels]) => ({ id, labels: labels.map(parseLabel).map(({ source, key, value }) => ({ source, key, value })) }));
    const next = Math.max(scope === 'global' ? 256 : 16_777_217, ...identities.map(({ id }) => id + 1));
    store.save({ version: 1, scope, next, identities });
    return createIdentityAllocator({ scope, store, reserved });
  }
};
