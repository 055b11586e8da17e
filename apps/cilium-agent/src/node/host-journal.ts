import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { join } from 'node:path';
import { readFileIfThereSync, setAsideSync, writeFileAtomicSync } from '../state/atomic-file.ts';
import { HostRecord } from '../state/schemas.ts';

/** Remembers what the agent changed on the host. Each change is written down before it is made, so that none is forgotten. */
export interface HostJournal {
  readonly record: HostRecord;
  /** The record with these fields replaced, saved. */
  update(fields: Partial<Omit<HostRecord, 'version'>>): void;
}

const EMPTY: HostRecord = { version: 1, sysctls: {}, devices: {}, masquerade: false, routes: [], uplinks: [], policyFolders: [] };

/** Path of the journal in a state folder. */
export const journalPath = (stateDir: string): string => join(stateDir, 'host.json');

/** Opens the journal of a state folder; one that makes no sense is set aside, reported, and begun anew. */
export const openHostJournal = (stateDir: string, logger: Logger): HostJournal => {
  const path = journalPath(stateDir);
  let record = EMPTY;
  const text = readFileIfThereSync(path);
  if (text !== undefined) {
    try {
      record = HostRecord.parse(JSON.parse(text));
    } catch (error) {
      const aside = setAsideSync(path, join(stateDir, 'set-aside'), new Date());
      logger.error({ path, aside, error: errorMessage(error) }, 'the record of changes to the host is corrupt and was set aside; what it says can not be restored by cleanup');
    }
  }
  return {
    get record() {
      return record;
    },
    update(fields) {
      record = { ...record, ...fields };
      writeFileAtomicSync(path, JSON.stringify(record, undefined, 2));
    },
  };
};
