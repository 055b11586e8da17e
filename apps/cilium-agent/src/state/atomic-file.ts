import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

let counter = 0;
const temporary = (path: string): string => `${path}.${process.pid}.${++counter}.tmp`;

/**
 * Puts the text in the file's place at once: a reader, or an agent that restarts, sees the old or the new, never a part.
 * Nothing is synced to disk: what is described here dies with the kernel it is in.
 */
export const writeFileAtomic = async (path: string, text: string): Promise<void> => {
  const draft = temporary(path);
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
};

/** As {@link writeFileAtomic}, for callers that cannot wait. */
export const writeFileAtomicSync = (path: string, text: string): void => {
  const draft = temporary(path);
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
};

/** The file's text; undefined if there is no such file. */
export const readFileIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** As {@link readFileIfThere}, at once. */
export const readFileIfThereSync = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Moves a file that makes no sense out of the way, for a person to look at; returns where to. */
export const setAside = async (path: string, folder: string, now: Date): Promise<string> => {
  const name = path.slice(dirname(path).length + 1);
  const aside = `${folder}/${name}.${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  await mkdir(folder, { recursive: true });
  await rename(path, aside);
  return aside;
};

/** As {@link setAside}, at once. */
export const setAsideSync = (path: string, folder: string, now: Date): string => {
  const name = path.slice(dirname(path).length + 1);
  const aside = `${folder}/${name}.${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  mkdirSync(folder, { recursive: true });
  renameSync(path, aside);
  return aside;
};

/** Removes a file; no error if it is gone. */
export const removeFile = (path: string): Promise<void> => rm(path, { force: true });
