import type { IpAddress } from '@cilium-ts/core';
import { compareIp } from '@cilium-ts/core';
import type { NameIndex } from './name-index.ts';

/** An address whose names have expired, kept while connections to it may be alive. Times in milliseconds. */
export interface Zombie {
  readonly address: IpAddress;
  readonly names: Set<string>;
  /** When a connection was last seen; at first the last look at the connections. */
  aliveAt: number;
  /** When its last name expired. */
  deletePendingAt: number;
  /** How many looks at the connections there had been when it was made. */
  readonly sweepsBefore: number;
}

/** The looks at the table of connections that have been reported. */
export interface Sweeps {
  /** When the last one began; 0 without one. */
  lastStartedAt: number;
  count: number;
}

/** What became of an endpoint's zombies in {@link ZombieStore.collect}. */
export interface ZombieReport {
  readonly alive: number;
  readonly dead: number;
  /** Whether one that had a connection since the last look had to go because of a limit. */
  readonly evictedInUse: boolean;
}

/** The zombies of one endpoint. */
export class ZombieStore {
  readonly #index: NameIndex;
  readonly #sweeps: Readonly<Sweeps>;
  readonly #limits: { readonly perName: number; readonly total: number; readonly graceMs: number };
  readonly #zombies = new Map<string, Zombie>();

  constructor(index: NameIndex, sweeps: Readonly<Sweeps>, limits: { readonly perName: number; readonly total: number; readonly graceMs: number }) {
    this.#index = index;
    this.#sweeps = sweeps;
    this.#limits = limits;
  }

  get size(): number {
    return this.#zombies.size;
  }

  zombies(): Iterable<Readonly<Zombie>> {
    return this.#zombies.values();
  }

  /** Makes the address a zombie by this name, or adds the name to the one that it is; the later times stay. */
  put(name: string, address: IpAddress, at: { readonly deletePendingAt: number; readonly aliveAt?: number }): void {
    const aliveAt = at.aliveAt ?? this.#sweeps.lastStartedAt;
    let zombie = this.#zombies.get(address.text);
    if (zombie === undefined) {
      zombie = { address, names: new Set(), aliveAt, deletePendingAt: at.deletePendingAt, sweepsBefore: this.#sweeps.count };
      this.#zombies.set(address.text, zombie);
    } else {
      zombie.deletePendingAt = Math.max(zombie.deletePendingAt, at.deletePendingAt);
      zombie.aliveAt = Math.max(zombie.aliveAt, aliveAt);
    }
    if (zombie.names.has(name)) return;
    zombie.names.add(name);
    this.#index.add(name, address);
  }

  markAlive(address: IpAddress, now: number): boolean {
    const zombie = this.#zombies.get(address.text);
    if (zombie !== undefined) zombie.aliveAt = now;
    return zombie !== undefined;
  }

  /** Takes the name from the address's zombie if it was to be deleted by then: an answer has it again. */
  revive(name: string, address: IpAddress, now: number): void {
    const zombie = this.#zombies.get(address.text);
    if (zombie !== undefined && zombie.deletePendingAt <= now) this.#forgetName(zombie, name);
  }

  forget(matches: (name: string) => boolean): void {
    for (const zombie of [...this.#zombies.values()]) {
      for (const name of [...zombie.names]) if (matches(name)) this.#forgetName(zombie, name);
    }
  }

  /** Buries the dead, and of the living those beyond the limits. */
  collect(): ZombieReport {
    const livingNames = this.#livingNames();
    const dead = new Set<Zombie>();
    for (const zombie of this.#zombies.values()) {
      if (!this.#hasConnection(zombie) && ![...zombie.names].some((name) => livingNames.has(name))) dead.add(zombie);
    }
    const inUse = (evicted: readonly Zombie[]): boolean =>
      evicted.length > 0 && evicted[evicted.length - 1]!.aliveAt > this.#sweeps.lastStartedAt;
    let evictedInUse = false;
    const { perName, total } = this.#limits;
    for (const zombies of perName > 0 ? livingNames.values() : []) {
      if (zombies.length <= perName) continue;
      const evicted = zombies.sort(leastImportantFirst).slice(0, zombies.length - perName);
      evicted.forEach((zombie) => dead.add(zombie));
      evictedInUse ||= inUse(evicted);
    }
    const alive = [...this.#zombies.values()].filter((zombie) => !dead.has(zombie));
    if (alive.length > total) {
      const evicted = alive.sort(leastImportantFirst).slice(0, alive.length - total);
      evicted.forEach((zombie) => dead.add(zombie));
      evictedInUse ||= inUse(evicted);
    }
    for (const zombie of dead) for (const name of [...zombie.names]) this.#forgetName(zombie, name);
    return { alive: this.#zombies.size, dead: dead.size, evictedInUse };
  }

  /**
   * Whether it may still have a connection. Only a look at the connections that began after its time, that did not
   * see it, and that is not the first one since it was made (which may have been under way) proves that it has none.
   */
  #hasConnection({ deletePendingAt, aliveAt, sweepsBefore }: Zombie): boolean {
    const { lastStartedAt, count } = this.#sweeps;
    return !(lastStartedAt > deletePendingAt + this.#limits.graceMs && lastStartedAt > aliveAt && count >= sweepsBefore + 2);
  }

  /** Names that lead to a connection somewhere, with all of their zombies: one address in use keeps the others. */
  #livingNames(): Map<string, Zombie[]> {
    const living = new Map<string, Zombie[]>();
    for (const zombie of this.#zombies.values()) {
      if (this.#hasConnection(zombie)) for (const name of zombie.names) living.set(name, []);
    }
    for (const zombie of this.#zombies.values()) for (const name of zombie.names) living.get(name)?.push(zombie);
    return living;
  }

  #forgetName(zombie: Zombie, name: string): void {
    if (!zombie.names.delete(name)) return;
    this.#index.drop(name, zombie.address);
    if (zombie.names.size === 0) this.#zombies.delete(zombie.address.text);
  }
}

/** Cilium's order of eviction: seen longest ago, pending longest, fewest names; then by address, so that it is one order. */
function leastImportantFirst(a: Zombie, b: Zombie): number {
  return a.aliveAt - b.aliveAt || a.deletePendingAt - b.deletePendingAt || a.names.size - b.names.size || compareIp(a.address, b.address);
}
