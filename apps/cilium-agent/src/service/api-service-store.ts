import type { Logger } from '@cilium-ts/core';
import type { DocumentFolder } from '../state/document-folder.ts';
import type { ApiServiceRecord } from '../state/schemas.ts';

/** Services given over the API, as they were asked for; each survives a restart by a document of its own. */
export interface ApiServiceStore {
  all(): ReadonlyMap<number, ApiServiceRecord>;
  put(record: ApiServiceRecord): Promise<void>;
  delete(id: number): Promise<void>;
  /** What was lost, for people. */
  problems(): readonly string[];
}

/** Reads what was given before the restart. */
export const openApiServiceStore = async (folder: DocumentFolder<ApiServiceRecord>, logger: Logger): Promise<ApiServiceStore> => {
  const { documents, corrupt } = await folder.load();
  const problems = corrupt.map(({ name, path, aside, reason }) => `service ${name} (${path}) is corrupt and was set aside as ${aside}: ${reason}. Give it again`);
  for (const problem of problems) logger.error({}, problem);
  const records = new Map([...documents.values()].map((record) => [record.id, record] as const));
  return {
    all: () => records,
    async put(record) {
      await folder.save(String(record.id), record);
      records.set(record.id, record);
    },
    async delete(id) {
      await folder.remove(String(id));
      records.delete(id);
    },
    problems: () => problems,
  };
};
