/**
 * How long a folder must have been left alone before a file that is missing in it is taken for removed, and how long that
 * is waited for at most where something changes all the time (milliseconds).
 *
 * A folder that is deleted with what is in it loses its files first, one by one; one that was made anew, or came back from
 * elsewhere, is filled after that. Whoever replaces it like that has not removed what is missing in between.
 */
const QUIET = { same: { quiet: 100, most: 1000 }, replaced: { quiet: 1000, most: 10_000 } } as const;

/** What of a folder says whether it is the one of the last look, and whether it was touched since. */
export interface FolderIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly birthtimeMs: bigint;
  readonly mtimeMs: bigint;
}

/** The same for the same folder only: one that is made after another was deleted may get its inode number. */
export const folderIdentity = ({ dev, ino, birthtimeMs }: FolderIdentity): string => `${dev}:${ino}:${birthtimeMs}`;

/** Decides when files that are missing have been removed. */
export interface Removals {
  /** Which of the missing files are to be taken for present still, and when to look again. */
  hold(missing: readonly string[], folder: FolderIdentity): { readonly held: readonly string[]; readonly wait: number | undefined };
  /** The folder is not there: nothing in it counts as missing, and what comes next is another one. */
  folderGone(): void;
}

/** Milliseconds of a clock that nobody sets, and of the one that files have their times from. */
export interface Clocks {
  readonly steady: () => number;
  readonly wall: () => number;
}

/** Nothing is missing yet. */
export const createRemovals = ({ steady, wall }: Clocks = { steady: () => performance.now(), wall: () => Date.now() }): Removals => {
  const since = new Map<string, number>();
  let folder: FolderIdentity | undefined;
  /** When it was first seen as it is; its own time may lie in the future. */
  let seen = 0;
  let replaced = false;

  const lookAt = (next: FolderIdentity, at: number): void => {
    const other = folder !== undefined && folderIdentity(folder) !== folderIdentity(next);
    replaced ||= other;
    if (other || folder?.mtimeMs !== next.mtimeMs) seen = at;
    folder = next;
  };

  return {
    hold(missing, next) {
      const at = steady();
      lookAt(next, at);
      const quietFor = Math.max(at - seen, wall() - Number(next.mtimeMs));
      const { quiet, most } = QUIET[replaced ? 'replaced' : 'same'];
      if (quietFor >= quiet) replaced = false;
      const held = quietFor >= quiet ? [] : missing.filter((name) => at - (since.get(name) ?? at) < most);
      const times = held.map((name) => [name, since.get(name) ?? at] as const);
      since.clear();
      for (const [name, time] of times) since.set(name, time);
      if (held.length === 0) return { held, wait: undefined };
      return { held, wait: Math.max(1, times.reduce((least, [, time]) => Math.min(least, time + most - at), quiet - quietFor)) };
    },
    folderGone() {
      since.clear();
      replaced = true;
    },
  };
};
