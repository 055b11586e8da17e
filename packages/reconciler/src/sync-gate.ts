/** Opens when every source has said once that it has said everything it knew. */
export interface SyncGate {
  /** Whether no registered source is outstanding. Once open it stays open. */
  readonly open: boolean;
  /** The sources that are outstanding. */
  readonly pending: readonly string[];
  /**
   * Adds a source that the gate has to wait for; the function returned reports it as done and may be called again.
   * Throws TypeError for a name that is registered already, and when the gate has opened.
   */
  register(source: string): () => void;
  /** Resolves when the gate is open. Rejects with the signal's reason when it aborts first. */
  wait(options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** A gate that waits for these sources and those registered before the last of them is done; open if there are none. */
export function createSyncGate(sources: Iterable<string> = []): SyncGate & { done(source: string): void } {
  const names = new Set<string>(sources);
  const pending = new Set(names);
  const waiting = new Set<() => void>();
  let opened = names.size === 0;
  const done = (source: string): void => {
    if (!names.has(source)) throw new TypeError(`source: ${JSON.stringify(source)} was never registered`);
    pending.delete(source);
    if (pending.size > 0 || opened) return;
    opened = true;
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  return {
    get open() {
      return opened;
    },
    get pending() {
      return [...pending];
    },
    register(source) {
      if (names.has(source)) throw new TypeError(`source: ${JSON.stringify(source)} is registered already`);
      if (opened && names.size > 0) throw new TypeError(`source: ${JSON.stringify(source)} comes after the gate has opened`);
      opened = false;
      names.add(source);
      pending.add(source);
      return () => done(source);
    },
    done,
    async wait({ signal } = {}) {
      signal?.throwIfAborted();
      if (opened) return;
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => {
          waiting.delete(finish);
          reject(signal?.reason as Error);
        };
        const finish = (): void => {
          signal?.removeEventListener('abort', abort);
          resolve();
        };
        waiting.add(finish);
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
  };
}
