import type { Identity, LabelSet, NumericIdentity, Selector } from '@cilium-ts/identity';
import { selectorMatches } from '@cilium-ts/identity';
import { createLabelIndex } from './label-index.ts';
import { createSelectorIndex } from './selector-index.ts';

/** A selector in use, and the identities that it chooses. */
export interface SelectorEntry {
  readonly selector: Selector;
  readonly members: ReadonlySet<PeerRecord>;
}

/** An identity, and the selectors in use that choose it. */
export interface PeerRecord {
  readonly identity: Identity;
  /** Small and dense: serves as an index into arrays. Used again after the identity has gone. */
  readonly slot: number;
  readonly entries: ReadonlySet<SelectorEntry>;
}

/**
 * Which selectors choose which identities. Both may come and go at any time; only those are asked that share a label
 * with what has come.
 */
export interface PeerIndex {
  /** Grows whenever an identity comes, goes or has other labels. */
  readonly revision: number;
  /** How many times a selector was asked about labels, for tests and benchmarks. */
  readonly evaluations: number;
  readonly selectors: number;
  readonly identities: number;
  /** One more than the highest slot in use. */
  readonly slots: number;
  /** Adds the identity; one with its number and other labels is replaced. `undefined`: it was there like that. */
  add(identity: Identity): { readonly record: PeerRecord; readonly replaced: PeerRecord | undefined } | undefined;
  remove(id: NumericIdentity): PeerRecord | undefined;
  get(id: NumericIdentity): PeerRecord | undefined;
  /** By ascending number. Made anew where the revision has changed. */
  sorted(): readonly PeerRecord[];
  /** The entry of the selector, which stays for as long as it was not released as often as it was retained. */
  retain(selector: Selector): SelectorEntry;
  release(entry: SelectorEntry): void;
}

interface Entry extends SelectorEntry {
  readonly members: Set<PeerState>;
  users: number;
}

interface PeerState extends PeerRecord {
  readonly labels: LabelSet;
  readonly entries: Set<Entry>;
}

/** An empty index, in which identities are found by their labels, or by those that a function makes of them. */
export function createPeerIndex(labelsOf = ({ labels }: Identity): LabelSet => labels): PeerIndex {
  return new Index(labelsOf);
}

class Index implements PeerIndex {
  revision = 0;
  evaluations = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #selectors = createSelectorIndex<Entry>();
  readonly #records = new Map<NumericIdentity, PeerState>();
  readonly #labels = createLabelIndex<PeerState>();
  readonly #freeSlots: number[] = [];
  #slots = 0;
  #sorted: readonly PeerState[] | undefined = [];
  readonly #labelsOf: (identity: Identity) => LabelSet;

  constructor(labelsOf: (identity: Identity) => LabelSet) {
    this.#labelsOf = labelsOf;
  }

  get selectors(): number {
    return this.#entries.size;
  }

  get identities(): number {
    return this.#records.size;
  }

  get slots(): number {
    return this.#slots;
  }

  add(identity: Identity): { readonly record: PeerRecord; readonly replaced: PeerRecord | undefined } | undefined {
    const known = this.#records.get(identity.id);
    if (known !== undefined && (known.identity.labels === identity.labels || known.identity.labels.text === identity.labels.text)) return undefined;
    const replaced = this.remove(identity.id);
    const labels = this.#labelsOf(identity);
    const record: PeerState = { identity, labels, slot: this.#freeSlots.pop() ?? this.#slots++, entries: new Set() };
    this.#records.set(identity.id, record);
    this.#labels.add(labels, record);
    this.#selectors.candidates(labels, (entry) => this.#relate(entry, record));
    this.#changed();
    return { record, replaced };
  }

  remove(id: NumericIdentity): PeerRecord | undefined {
    const record = this.#records.get(id);
    if (record === undefined) return undefined;
    this.#records.delete(id);
    this.#labels.remove(record.labels, record);
    this.#freeSlots.push(record.slot);
    // The entries stay known: whoever is told of the removal may have to undo what they led to.
    for (const entry of record.entries) entry.members.delete(record);
    this.#changed();
    return record;
  }

  get(id: NumericIdentity): PeerRecord | undefined {
    return this.#records.get(id);
  }

  sorted(): readonly PeerRecord[] {
    return (this.#sorted ??= [...this.#records.values()].sort((a, b) => a.identity.id - b.identity.id));
  }

  retain(selector: Selector): SelectorEntry {
    let entry = this.#entries.get(selector.text);
    if (entry === undefined) {
      const made: Entry = (entry = { selector, members: new Set(), users: 0 });
      this.#entries.set(selector.text, made);
      this.#selectors.add(selector, made);
      this.#labels.candidates(selector, (record) => this.#relate(made, record));
    }
    entry.users++;
    return entry;
  }

  release(released: SelectorEntry): void {
    const entry = released as Entry;
    if (--entry.users > 0) return;
    this.#entries.delete(entry.selector.text);
    this.#selectors.remove(entry.selector, entry);
    for (const record of entry.members) record.entries.delete(entry);
  }

  #relate(entry: Entry, record: PeerState): void {
    this.evaluations++;
    if (!selectorMatches(entry.selector, record.labels)) return;
    entry.members.add(record);
    record.entries.add(entry);
  }

  #changed(): void {
    this.revision++;
    this.#sorted = undefined;
  }
}
