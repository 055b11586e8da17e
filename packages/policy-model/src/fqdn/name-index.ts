import type { IpAddress } from '@cilium-ts/core';
import { compareIp } from '@cilium-ts/core';
import type { LabelSet } from '@cilium-ts/identity';
import { labelSet, makeLabel } from '@cilium-ts/identity';
import { fqdnLabelKey } from '../model/fqdn.ts';
import type { FqdnSelector } from '../model/rule.ts';
import type { FqdnMatcher } from './match-fqdn.ts';
import { fqdnMatcher } from './match-fqdn.ts';

/** How the `fqdn:` labels of an address have changed. */
export interface AddressChange {
  readonly address: IpAddress;
  /** All of its `fqdn:` labels from now on; empty where nothing chooses it any more. */
  readonly labels: LabelSet;
  /** Keys of the labels that came and went, sorted. One of both is not empty. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

interface Name {
  readonly addresses: Map<string, { readonly known: Address; uses: number }>;
  /** Label keys of the selectors that choose it. */
  readonly keys: Set<string>;
}

interface Address {
  readonly address: IpAddress;
  readonly names: Set<string>;
  /** Label keys, by how many of the names have them: an address may have very many names. */
  readonly keys: Map<string, number>;
}

/**
 * Which names lead to which addresses, counted by how many holders say so, and which selectors choose the names.
 * Collects the addresses whose labels may have changed until they are asked for.
 */
export class NameIndex {
  readonly #names = new Map<string, Name>();
  readonly #addresses = new Map<string, Address>();
  readonly #selectors = new Map<string, { readonly selector: FqdnSelector; readonly matches: FqdnMatcher }>();
  /** Labels that addresses had when something about them changed first since the last {@link take}. */
  readonly #touched = new Map<string, { readonly address: IpAddress; readonly before: ReadonlySet<string> }>();

  add(name: string, address: IpAddress): void {
    let known = this.#names.get(name);
    if (known === undefined) this.#names.set(name, (known = { addresses: new Map(), keys: this.#keysFor(name) }));
    const use = known.addresses.get(address.text);
    if (use !== undefined) {
      use.uses++;
      return;
    }
    let reverse = this.#addresses.get(address.text);
    if (reverse === undefined) this.#addresses.set(address.text, (reverse = { address, names: new Set(), keys: new Map() }));
    reverse.names.add(name);
    known.addresses.set(address.text, { known: reverse, uses: 1 });
    for (const key of known.keys) this.#count(reverse, key, 1);
  }

  drop(name: string, address: IpAddress): void {
    const known = this.#names.get(name)!;
    const use = known.addresses.get(address.text)!;
    if (--use.uses > 0) return;
    for (const key of known.keys) this.#count(use.known, key, -1);
    known.addresses.delete(address.text);
    if (known.addresses.size === 0) this.#names.delete(name);
    use.known.names.delete(name);
    if (use.known.names.size === 0) this.#addresses.delete(address.text);
  }

  addSelector(selector: FqdnSelector): boolean {
    const key = fqdnLabelKey(selector);
    if (this.#selectors.has(key)) return false;
    const matches = fqdnMatcher(selector);
    this.#selectors.set(key, { selector, matches });
    for (const [name, known] of this.#names) {
      if (!matches(name)) continue;
      known.keys.add(key);
      for (const use of known.addresses.values()) this.#count(use.known, key, 1);
    }
    return true;
  }

  removeSelector(selector: FqdnSelector): boolean {
    const key = fqdnLabelKey(selector);
    if (!this.#selectors.delete(key)) return false;
    for (const known of this.#names.values()) {
      if (!known.keys.delete(key)) continue;
      for (const use of known.addresses.values()) this.#count(use.known, key, -1);
    }
    return true;
  }

  /** By ascending label key. */
  selectors(): FqdnSelector[] {
    return [...this.#selectors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { selector }]) => selector);
  }

  names(address: IpAddress): string[] {
    return [...(this.#addresses.get(address.text)?.names ?? [])].sort();
  }

  addresses(name: string): IpAddress[] {
    return Array.from(this.#names.get(name)?.addresses.values() ?? [], (use) => use.known.address).sort(compareIp);
  }

  labels(address: IpAddress): LabelSet {
    return toLabels(this.#keysOf(address));
  }

  /** Every address that has labels, in order. */
  labelled(): { address: IpAddress; labels: LabelSet }[] {
    return Array.from(this.#addresses.values(), ({ address }) => ({ address, labels: this.labels(address) }))
      .filter(({ labels }) => labels.size > 0)
      .sort((a, b) => compareIp(a.address, b.address));
  }

  /** The changes since the last call, in order of address. */
  take(): AddressChange[] {
    const changes: AddressChange[] = [];
    for (const { address, before } of this.#touched.values()) {
      const after = new Set(this.#keysOf(address));
      const added = [...after].filter((key) => !before.has(key)).sort();
      const removed = [...before].filter((key) => !after.has(key)).sort();
      if (added.length + removed.length > 0) changes.push({ address, labels: toLabels(after), added, removed });
    }
    this.#touched.clear();
    return changes.sort((a, b) => compareIp(a.address, b.address));
  }

  #count({ address, keys }: Address, key: string, change: 1 | -1): void {
    if (!this.#touched.has(address.text)) this.#touched.set(address.text, { address, before: new Set(keys.keys()) });
    const count = (keys.get(key) ?? 0) + change;
    if (count === 0) keys.delete(key);
    else keys.set(key, count);
  }

  #keysFor(name: string): Set<string> {
    const keys = new Set<string>();
    for (const [key, { matches }] of this.#selectors) if (matches(name)) keys.add(key);
    return keys;
  }

  #keysOf(address: IpAddress): Iterable<string> {
    return this.#addresses.get(address.text)?.keys.keys() ?? [];
  }
}

function toLabels(keys: Iterable<string>): LabelSet {
  return labelSet(Array.from(keys, (key) => makeLabel('fqdn', key)));
}
