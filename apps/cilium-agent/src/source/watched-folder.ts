import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { watch } from 'node:fs';
import type { BigIntStats, FSWatcher } from 'node:fs';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createRemovals, folderIdentity } from './removals.ts';

/** A file's content, or why it could not be read. */
export type FileContent = { readonly text: string } | { readonly error: string };

/** The folder as last seen. `gone`: it is missing or can not be read, which says nothing about the files in it. */
export type FolderSnapshot = { readonly kind: 'present'; readonly files: ReadonlyMap<string, FileContent> } | { readonly kind: 'gone'; readonly reason: string };

/** A watched folder of YAML and JSON files. */
export interface WatchedFolder {
  /** Reads the folder as it is now. */
  read(): Promise<FolderSnapshot>;
  /** Begins to watch; `changed` gets a snapshot whenever something is different. Calls do not overlap. */
  watch(changed: (snapshot: FolderSnapshot) => Promise<void>): void;
  close(): void;
}

/** What is read; everything else in the folder (editors' drafts, say) is left alone. */
const WANTED_FILE = /^[^.].*\.(ya?ml|json)$/;

/**
 * A file put in place by rename is complete; one written in place is not until its writer is done, which nothing tells.
 * So a file is taken when it has not changed for this long (milliseconds): a moment for a new file, longer for one that
 * is being written over.
 */
const SETTLE = { replaced: 6, rewritten: 40 } as const;
/** A look at the folder even if nothing was heard: symbolic links that change their target make no event. */
const LOOK_EVERY = 1000;

interface Known {
  readonly signature: string;
  readonly inode: bigint;
  readonly content: FileContent;
}

type Look = { readonly snapshot: FolderSnapshot; readonly changed: boolean; readonly again: number | undefined };

class FileSystemFolder implements WatchedFolder {
  readonly #path: string;
  readonly #what: string;
  readonly #logger: Logger;
  #known = new Map<string, Known>();
  #gone: string | undefined;
  readonly #removals = createRemovals();
  #watchers: { readonly folder: FSWatcher | undefined; readonly identity: string; readonly parent: FSWatcher | undefined } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #due = Infinity;
  #closed = false;
  #looking = false;
  /** Something changed that nobody has taken into account yet. */
  #undelivered = false;
  #changed: ((snapshot: FolderSnapshot) => Promise<void>) | undefined;

  constructor(path: string, { what, logger }: { readonly what: string; readonly logger: Logger }) {
    this.#path = path;
    this.#what = what;
    this.#logger = logger;
  }

  async read(): Promise<FolderSnapshot> {
    return (await this.#look(true)).snapshot;
  }

  watch(changed: (snapshot: FolderSnapshot) => Promise<void>): void {
    this.#changed = changed;
    this.#listen('');
    this.#schedule(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watchers?.folder?.close();
    this.#watchers?.parent?.close();
  }

  #schedule(delay: number): void {
    if (this.#closed) return;
    const due = performance.now() + delay;
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Infinity;
      void this.#turn();
    }, delay);
  }

  async #turn(): Promise<void> {
    if (this.#looking || this.#closed) return;
    this.#looking = true;
    let again = LOOK_EVERY;
    try {
      const look = await this.#look(false);
      again = look.again ?? LOOK_EVERY;
      this.#undelivered ||= look.changed;
      if (this.#undelivered && !this.#closed) await this.#changed?.(look.snapshot);
      this.#undelivered = false;
    } catch (error) {
      this.#logger.error({ path: this.#path, error: errorMessage(error) }, `${this.#what} could not be worked off; trying again`);
    } finally {
      this.#looking = false;
      this.#schedule(again);
    }
  }

  /** Watches the folder itself and, to see it come back, the one it is in. */
  #listen(identity: string): void {
    this.#watchers?.folder?.close();
    this.#watchers?.parent?.close();
    const heard = (): void => { this.#schedule(this.#looking ? 1 : 0); };
    const open = (path: string, accept: (name: string | null) => boolean): FSWatcher | undefined => {
      try {
        const watcher = watch(path, (_, name) => { if (accept(name)) heard(); });
        watcher.on('error', () => { watcher.close(); heard(); });
        return watcher;
      } catch {
        // Missing now; looking from time to time finds it when it comes back.
        return undefined;
      }
    };
    const own = basename(this.#path);
    this.#watchers = { folder: open(this.#path, () => true), identity, parent: open(dirname(this.#path), (name) => name === null || name === own) };
  }

  async #look(first: boolean): Promise<Look> {
    let names: string[];
    let folder: BigIntStats;
    try {
      folder = await stat(this.#path, { bigint: true });
      if (!first && (this.#watchers?.identity !== folderIdentity(folder) || this.#watchers.folder === undefined)) this.#listen(folderIdentity(folder));
      names = (await readdir(this.#path)).filter((name) => WANTED_FILE.test(name)).sort();
    } catch (error) {
      const reason = errorMessage(error);
      const changed = this.#gone !== reason;
      this.#gone = reason;
      this.#removals.folderGone();
      if (this.#watchers) this.#watchers = { ...this.#watchers, identity: '' };
      return { snapshot: { kind: 'gone', reason }, changed, again: undefined };
    }
    const cameBack = this.#gone !== undefined;
    this.#gone = undefined;
    const looks = await Promise.all(names.map((name) => this.#lookAtFile(name, first)));
    const waits = looks.flatMap((look) => (look.wait === undefined ? [] : [look.wait]));
    const there = new Map(names.flatMap((name, at) => (looks[at]!.known ? [[name, looks[at]!.known] as const] : [])));
    // What is missing is shown as it was until it is certain that it will not come again at once.
    const { held, wait } = this.#removals.hold([...this.#known.keys()].filter((name) => !there.has(name)), folder);
    if (wait !== undefined) waits.push(wait);
    const now = held.length === 0 ? there : new Map([...there, ...held.map((name) => [name, this.#known.get(name)!] as const)].sort(([a], [b]) => (a < b ? -1 : 1)));
    const changed = first || cameBack || now.size !== this.#known.size || [...now].some(([name, known]) => this.#known.get(name) !== known);
    this.#known = now;
    const files = new Map([...now].map(([name, { content }]) => [name, content] as const));
    return { snapshot: { kind: 'present', files }, changed, again: waits.length > 0 ? Math.max(1, Math.min(...waits)) : undefined };
  }

  /** What is known of the file now. While it may still be written, what was known before, and how long to wait. */
  async #lookAtFile(name: string, first: boolean): Promise<{ readonly known: Known | undefined; readonly wait?: number }> {
    const path = join(this.#path, name);
    const before = this.#known.get(name);
    try {
      const info = await stat(path, { bigint: true });
      // Reading a pipe or a device may never end.
      if (!info.isFile()) return { known: unreadable(before, 'it is not a regular file; put a file, or a symbolic link to one, there, or give it a name without .yaml, .yml and .json') };
      const signature = `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}:${info.ctimeNs}`;
      if (before?.signature === signature) return { known: before };
      const settle = before?.inode === info.ino ? SETTLE.rewritten : SETTLE.replaced;
      const age = Date.now() - Number(info.mtimeNs / 1_000_000n);
      // A modification time in the future says nothing.
      if (!first && age >= 0 && age < settle) return { known: before, wait: settle - age };
      const text = await readFile(path, 'utf8');
      const after = await stat(path, { bigint: true });
      if (after.mtimeNs !== info.mtimeNs || after.size !== info.size || after.ino !== info.ino) return { known: before, wait: settle };
      return { known: { signature, inode: info.ino, content: { text } } };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return { known: unreadable(before, errorMessage(error)) };
      const isLink = await lstat(path).then((info) => info.isSymbolicLink(), () => false);
      return { known: isLink ? unreadable(before, 'it is a symbolic link that leads nowhere; delete it if what it led to should go') : undefined };
    }
  }
}

/** The same again where nothing is new about it. */
const unreadable = (before: Known | undefined, error: string): Known =>
  before && 'error' in before.content && before.content.error === error ? before : { signature: '', inode: before?.inode ?? 0n, content: { error } };

/** A folder; `what` names it in logs. Nothing is opened before the first call. */
export const createWatchedFolder = (path: string, options: { readonly what: string; readonly logger: Logger }): WatchedFolder => new FileSystemFolder(path, options);
