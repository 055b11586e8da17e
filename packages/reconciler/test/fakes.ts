import type { Failure, ReconcileTarget, Removal, Scheduler } from '../src/index.ts';

/** Lets everything that can run without time passing run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A clock that stands still until told otherwise. */
export class FakeScheduler implements Scheduler {
  time = 0;
  readonly #timers = new Set<{ readonly at: number; readonly finish: () => void }>();

  now(): number {
    return this.time;
  }

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = { at: this.time + milliseconds, finish: () => { this.#timers.delete(timer); resolve(); } };
      this.#timers.add(timer);
      signal.addEventListener('abort', timer.finish, { once: true });
    });
  }

  get timers(): number {
    return this.#timers.size;
  }

  async advance(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    for (;;) {
      await settle();
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.time = Math.max(this.time, next.at);
      next.finish();
    }
    this.time = end;
    await settle();
  }
}

export interface Item {
  readonly id: string;
  readonly value: number;
}

/** A kernel of one kind of objects, which can be broken in every way. */
export class FakeTarget implements ReconcileTarget<Item, Item> {
  readonly objects = new Map<string, number>();
  readonly calls: string[] = [];
  /** Keys that fail on their own. */
  readonly broken = new Set<string>();
  /** Makes whole calls throw. */
  throwing: 'list' | 'apply' | 'remove' | undefined;
  /** Makes a call throw when it contains this key. */
  poison: string | undefined;
  /** Runs in the midst of each call. */
  during: () => void | Promise<void> = () => undefined;
  running = 0;
  mostAtOnce = 0;

  list(): Promise<Item[]> {
    return this.#call('list', [], () => Array.from(this.objects, ([id, value]) => ({ id, value })));
  }

  apply(wanted: readonly Item[]): Promise<Failure[]> {
    return this.#call('apply', wanted.map(({ id }) => id), () => this.#each(wanted, ({ id, value }) => this.objects.set(id, value)));
  }

  remove(gone: readonly Removal<Item, Item>[]): Promise<Failure[]> {
    return this.#call('remove', gone.map(({ key }) => key), () => this.#each(gone.map(({ key }) => ({ id: key })), ({ id }) => this.objects.delete(id)));
  }

  #each<T extends { readonly id: string }>(items: readonly T[], act: (item: T) => void): Failure[] {
    const failures: Failure[] = [];
    for (const item of items) {
      if (this.broken.has(item.id)) failures.push({ key: item.id, error: Object.assign(new Error('no room'), { code: 'E2BIG' }) });
      else act(item);
    }
    return failures;
  }

  async #call<T>(name: 'list' | 'apply' | 'remove', keys: readonly string[], act: () => T): Promise<T> {
    this.calls.push(keys.length === 0 ? name : `${name} ${keys.join()}`);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.running);
    try {
      await this.during();
      if (this.throwing === name) throw new Error(`${name} is broken`);
      if (this.poison !== undefined && keys.includes(this.poison)) throw new Error('poisoned');
      return act();
    } finally {
      this.running--;
    }
  }
}
