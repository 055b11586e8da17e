import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { join } from 'node:path';
import { readFileIfThereSync, setAsideSync, writeFileAtomicSync } from './atomic-file.ts';
import { ApiPolicyRecord } from './schemas.ts';

/** The file with everything imported over the API. */
export interface ApiPolicyFile {
  load(): ApiPolicyRecord | undefined;
  save(record: ApiPolicyRecord): void;
}

/**
 * Opens the file in the state folder. One that is corrupt is set aside, and that is written in its place: what was in it
 * is unknown, and stays so over restarts, until the file set aside is removed.
 */
export const openApiPolicyFile = (stateDir: string, logger: Logger): ApiPolicyFile => {
  const path = join(stateDir, 'policy-api.json');
  const save = (record: ApiPolicyRecord): void => { writeFileAtomicSync(path, JSON.stringify(record)); };
  return {
    save,
    load() {
      const text = readFileIfThereSync(path);
      if (text === undefined) return undefined;
      try {
        return ApiPolicyRecord.parse(JSON.parse(text));
      } catch (error) {
        const aside = setAsideSync(path, join(stateDir, 'set-aside'), new Date());
        logger.error({ path, aside, error: errorMessage(error) }, 'the file with imported policies is corrupt and was set aside; every endpoint is locked down until they are imported again and that file is removed');
        const record: ApiPolicyRecord = { version: 1, resources: [], lost: [aside] };
        save(record);
        return record;
      }
    },
  };
};
