import type { Cidr } from '@cilium-ts/core';
import { compareCidr } from '@cilium-ts/core';
import { selectorMatches } from '@cilium-ts/identity';
import type { Pools } from './compile/direction-plan.ts';
import type { PolicyCompiler } from './compile/policy-compiler.ts';
import { createPolicyCompiler } from './compile/policy-compiler.ts';
import { createRowPool } from './compile/row-pool.ts';
import type { RuleSource } from './compile/rule-book.ts';
import { createRuleSetPool } from './compile/rule-set-pool.ts';
import { createVerdictPool } from './compile/verdict-pool.ts';
import type { PolicyDirectory } from './directory/directory.ts';
import { createPolicyDirectory } from './directory/directory.ts';
import { fqdnLabelKey } from './model/fqdn.ts';
import type { PolicyOptions } from './model/options.ts';
import type { PolicyResource } from './model/resource.ts';
import type { CidrGroupPeer, FqdnSelector, Peer } from './model/rule.ts';

/** A change of a repository: its new revision, and the keys of the resources that came, went or are others now. */
export interface RepositoryChange {
  readonly revision: number;
  readonly changed: readonly string[];
}

/** The policies in force, by resource key, under a revision that every change bumps. */
export interface PolicyRepository {
  /** 1 for an empty repository; grows with every change and never otherwise. */
  readonly revision: number;
  /** What the rules refer to beyond labels and the groups of prefixes among the resources. */
  readonly directory: PolicyDirectory;
  /** Adds a resource or replaces the one with its key. Returns the new revision. */
  upsert(resource: PolicyResource): number;
  /** Whether there was one with that key. */
  remove(key: string): boolean;
  /** Puts these in place of everything, as one change. Of two with the same key the later one stays. */
  replaceAll(resources: Iterable<PolicyResource>): number;
  get(key: string): PolicyResource | undefined;
  /** By ascending key. */
  all(): readonly PolicyResource[];
  /** Keys of the resources that came, went or are others since that revision; `undefined` where it is too long ago. */
  changedSince(revision: number): ReadonlySet<string> | undefined;
  /** Calls the listener after every change, until the result is called. */
  subscribe(listener: (change: RepositoryChange) => void): () => void;
  /** The prefixes of the CiliumCIDRGroup objects that a rule means, once each. */
  groups(group: CidrGroupPeer['group']): readonly Cidr[];
  /**
   * Every prefix that a rule selects or excepts, sorted, once each, those of groups and services included: addresses in
   * them need identities with `cidr:` labels before the rules can match. Whole address families (`0.0.0.0/0`, `::/0`)
   * are not among them; every address outside has the world label that those mean.
   */
  prefixes(): readonly Cidr[];
  /** The names and patterns that rules select addresses by, once each, by ascending text. */
  fqdnSelectors(): readonly FqdnSelector[];
  /** A compiler for the current content, always; the same object for equal options. */
  compiler(options: PolicyOptions): PolicyCompiler;
}

/** What a repository is made with. */
export interface RepositoryOptions {
  /** Default: an empty one. */
  readonly directory?: PolicyDirectory;
}

/** An empty repository. */
export function createPolicyRepository({ directory = createPolicyDirectory() }: RepositoryOptions = {}): PolicyRepository {
  return new Repository(directory);
}

/** What a tracker needs of a repository besides its interface. */
export function ruleSource(repository: PolicyRepository): RuleSource {
  return {
    get revision() {
      return repository.revision;
    },
    directory: repository.directory,
    resources: () => repository.all(),
    get: (key) => repository.get(key),
    changedSince: (revision) => repository.changedSince(revision),
    groups: (group) => repository.groups(group),
  };
}

/** How many changes are remembered for those who catch up with them. */
const MAX_CHANGES = 256;

const pools = new WeakMap<PolicyRepository, Pools>();

/** Where rows, verdicts and rule sets of a repository's policies are interned, whoever compiles them. */
export function repositoryPools(repository: PolicyRepository): Pools {
  let known = pools.get(repository);
  if (known === undefined) pools.set(repository, (known = { rows: createRowPool(), verdicts: createVerdictPool(), ruleSets: createRuleSetPool() }));
  return known;
}

class Repository implements PolicyRepository {
  revision = 1;
  readonly directory: PolicyDirectory;
  #resources = new Map<string, PolicyResource>();
  #sorted: readonly PolicyResource[] | undefined;
  /** Keys of the last changes, a list for each revision. */
  readonly #changes: (readonly string[])[] = [];
  readonly #compilers = new Map<string, PolicyCompiler>();
  readonly #listeners = new Set<(change: RepositoryChange) => void>();

  constructor(directory: PolicyDirectory) {
    this.directory = directory;
  }

  upsert(resource: PolicyResource): number {
    const { key } = resource;
    // One of thousands that is replaced leaves their order as it is; whoever holds the list keeps what it was.
    const sorted = this.#resources.has(key) ? this.#sorted?.slice() : undefined;
    if (sorted !== undefined) sorted[placeOf(key, sorted)] = resource;
    this.#resources.set(key, resource);
    this.#record([key], sorted);
    return this.#tell([key]);
  }

  remove(key: string): boolean {
    const existed = this.#resources.delete(key);
    if (existed) this.#changed([key]);
    return existed;
  }

  replaceAll(replacement: Iterable<PolicyResource>): number {
    const before = this.#resources;
    const after = (this.#resources = new Map(Array.from(replacement, (resource) => [resource.key, resource])));
    const gone = [...before.keys()].filter((key) => !after.has(key));
    return this.#changed([...gone, ...[...after.keys()].filter((key) => before.get(key) !== after.get(key))]);
  }

  get(key: string): PolicyResource | undefined {
    return this.#resources.get(key);
  }

  all(): readonly PolicyResource[] {
    return (this.#sorted ??= [...this.#resources.values()].sort((a, b) => (a.key < b.key ? -1 : 1)));
  }

  changedSince(revision: number): ReadonlySet<string> | undefined {
    const missing = this.revision - revision;
    if (missing > this.#changes.length) return undefined;
    return new Set(missing === 0 ? [] : this.#changes.slice(-missing).flat());
  }

  subscribe(listener: (change: RepositoryChange) => void): () => void {
    const own = (change: RepositoryChange): void => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  groups(group: CidrGroupPeer['group']): readonly Cidr[] {
    const prefixes = new Map<string, Cidr>();
    for (const { group: found, name } of this.all()) {
      if (found === undefined) continue;
      const meant = 'name' in group ? name === group.name : selectorMatches(group.selector, found.labels);
      if (meant) for (const prefix of found.prefixes) prefixes.set(prefix.text, prefix);
    }
    return [...prefixes.values()];
  }

  prefixes(): readonly Cidr[] {
    const prefixes = new Map<string, Cidr>();
    for (const peer of peersOf(this.all())) for (const prefix of this.#prefixesOf(peer)) if (prefix.prefixLength > 0) prefixes.set(prefix.text, prefix);
    return [...prefixes.values()].sort(compareCidr);
  }

  fqdnSelectors(): readonly FqdnSelector[] {
    const selectors = new Map<string, FqdnSelector>();
    for (const peer of peersOf(this.all())) if (peer.kind === 'fqdn') selectors.set(fqdnLabelKey(peer.selector), peer.selector);
    return [...selectors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, selector]) => selector);
  }

  compiler(options: PolicyOptions): PolicyCompiler {
    const key = optionsKey(options);
    let compiler = this.#compilers.get(key);
    if (compiler === undefined) this.#compilers.set(key, (compiler = createPolicyCompiler(ruleSource(this), repositoryPools(this), options)));
    return compiler;
  }

  #prefixesOf(peer: Peer): readonly Cidr[] {
    switch (peer.kind) {
      case 'cidr':
        return [peer.prefix, ...peer.except];
      case 'cidr-group':
        return [...this.groups(peer.group), ...peer.except];
      case 'group':
        return this.directory.group(peer.group);
      case 'service':
        return this.directory.services(peer.service).flatMap(({ prefixes }) => prefixes);
      default:
        return [];
    }
  }

  #changed(keys: readonly string[]): number {
    this.#record(keys, undefined);
    return this.#tell(keys);
  }

  #record(keys: readonly string[], sorted: readonly PolicyResource[] | undefined): void {
    this.#sorted = sorted;
    this.revision++;
    this.#changes.push(keys);
    if (this.#changes.length > MAX_CHANGES) this.#changes.shift();
  }

  #tell(changed: readonly string[]): number {
    const { revision } = this;
    for (const listener of [...this.#listeners]) listener({ revision, changed });
    return revision;
  }
}

/** Where the resource with the key stands among sorted ones. */
function placeOf(key: string, sorted: readonly PolicyResource[]): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* peersOf(resources: readonly PolicyResource[]): Iterable<Peer> {
  for (const { rules } of resources) for (const { peers } of rules) if (peers.kind === 'peers') yield* peers.peers;
}

function optionsKey({ enforcement, allowLocalhost, ipv4, ipv6, clusterName, defaultLocalCluster, hostFirewall = false, strictNetworkPolicy = false }: PolicyOptions): string {
  return JSON.stringify([enforcement, allowLocalhost, ipv4, ipv6, clusterName, defaultLocalCluster, hostFirewall, strictNetworkPolicy]);
}
