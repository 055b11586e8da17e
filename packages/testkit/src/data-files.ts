import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** One case of a data file: a document with a `name`. */
export interface DataCase {
  /** `file: name`, to be shown. */
  readonly title: string;
  readonly file: string;
  readonly document: Readonly<Record<string, unknown>>;
}

/**
 * The cases of all YAML files of a folder, in the order of file names and documents: adding a case needs no code.
 * @throws TypeError for a document without `name`, for two with the same one, and for malformed YAML
 */
export function readDataFiles(folder: string): DataCase[] {
  const cases: DataCase[] = [];
  const seen = new Set<string>();
  for (const file of readdirSync(folder).filter((name) => /\.ya?ml$/.test(name)).sort()) {
    for (const parsed of parseAllDocuments(readFileSync(join(folder, file), 'utf8'))) {
      const [error] = parsed.errors;
      if (error !== undefined) throw new TypeError(`${file}: ${error.message}`);
      const document = parsed.toJS() as unknown;
      if (typeof document !== 'object' || document === null || !('name' in document) || typeof document.name !== 'string') throw new TypeError(`${file}: a case needs a name`);
      const title = `${file}: ${document.name}`;
      if (seen.has(title)) throw new TypeError(`${title}: there are two cases of this name`);
      seen.add(title);
      cases.push({ title, file, document: document as Record<string, unknown> });
    }
  }
  if (cases.length === 0) throw new TypeError(`${folder}: no cases`);
  return cases;
}
