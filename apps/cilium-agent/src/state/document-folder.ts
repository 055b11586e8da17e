import { errorMessage } from '@cilium-ts/core';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { readFileIfThere, removeFile, setAside, writeFileAtomic } from './atomic-file.ts';

/** A document that could not be used: where it was, where it is now, and why. */
export interface CorruptDocument {
  readonly name: string;
  readonly path: string;
  readonly aside: string;
  readonly reason: string;
}

/** A folder with one JSON document per record, checked on the way in. */
export interface DocumentFolder<T> {
  /** All documents by name; those that make no sense are set aside and reported, never guessed at. */
  load(): Promise<{ readonly documents: ReadonlyMap<string, T>; readonly corrupt: readonly CorruptDocument[] }>;
  save(name: string, document: T): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Documents of one kind. `asideFolder` takes the ones that cannot be read. */
export const createDocumentFolder = <T>(options: { readonly folder: string; readonly asideFolder: string; readonly schema: z.ZodType<T> }): DocumentFolder<T> => {
  const { folder, asideFolder, schema } = options;
  const pathOf = (name: string): string => join(folder, `${encodeURIComponent(name)}.json`);

  const loadOne = async (file: string): Promise<{ name: string; document: T } | CorruptDocument | undefined> => {
    const path = join(folder, file);
    const name = decodeURIComponent(file.slice(0, -'.json'.length));
    const text = await readFileIfThere(path);
    if (text === undefined) return undefined;
    try {
      return { name, document: schema.parse(JSON.parse(text)) };
    } catch (error) {
      return { name, path, aside: await setAside(path, asideFolder, new Date()), reason: errorMessage(error).slice(0, 500) };
    }
  };

  return {
    async load() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const files = await readdir(folder);
      // A draft that an agent was killed over.
      await Promise.all(files.filter((file) => file.endsWith('.tmp')).map((file) => removeFile(join(folder, file))));
      const loaded = await Promise.all(files.filter((file) => file.endsWith('.json')).map(loadOne));
      const documents = new Map<string, T>();
      const corrupt: CorruptDocument[] = [];
      for (const result of loaded) {
        if (result && 'document' in result) documents.set(result.name, result.document);
        else if (result) corrupt.push(result);
      }
      return { documents, corrupt };
    },
    save: (name, document) => writeFileAtomic(pathOf(name), JSON.stringify(document)),
    remove: (name) => removeFile(pathOf(name)),
  };
};
