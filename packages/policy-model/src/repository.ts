import type { Cidr } from '@cilium-ts/core';
import { compareCidr } from '@cilium-ts/core';
import type { PolicyCompiler } from './compile/policy-compiler.ts';
import { createPolicyCompiler } from './compile/policy-compiler.ts';
import { createRowPool } from './compile/row-pool.ts';
import type { PolicyOptions } from './model/options.ts';
import type { PolicyResource } from './model/resource.ts';

/** The policies in force, by resource key, under a revision that every change bumps. */
export interface PolicyRepository {
  /** 1 for an empty repository; grows with every change and never otherwise. */
  readonly revision: number;
  /** Adds a resource or replaces the one with its key. Returns the new revision. */
  upsert(resource: PolicyResource): number;
  /** Whether there was one with that key. */
  remove(key: string): boolean;
  /** Puts these in place of everything, as one change. Of two with the same key the later one stays. */
  replaceAll(resources: Iterable<PolicyResource>): number;
  get(key: string): PolicyResource | undefined;
  /** By ascending key. */
  all(): readonly PolicyResource[];
  /**
   * Every prefix that a rule selects or excepts, sorted, once each: addresses in them need identities with `cidr:`
   * labels before the rules can match. Whole address families (`0.0.0.0/0`, `::/0`) are not among them; every address
   * outside has the world label that those mean.
   */
  prefixes(): readonly Cidr[];
  /** A compiler for the current content, always; the same object for equal options. */
  compiler(options: PolicyOptions): PolicyCompiler;
}

/** An empty repository. */
export function createPolicyRepository(): PolicyRepository {
  let resources = new Map<string, PolicyResource>();
  let revision = 1;
  let sorted: readonly PolicyResource[] | undefined;
  const compilers = new Map<string, PolicyCompiler>();
  const rows = createRowPool();
  const changed = (): number => {
    sorted = undefined;
    return ++revision;
  };
  const all = (): readonly PolicyResource[] => (sorted ??= [...resources.values()].sort((a, b) => (a.key < b.key ? -1 : 1)));

  return {
    get revision() {
      return revision;
    },
    upsert(resource) {
      resources.set(resource.key, resource);
      return changed();
    },
    remove(key) {
      const existed = resources.delete(key);
      if (existed) changed();
      return existed;
    },
    replaceAll(replacement) {
      resources = new Map(Array.from(replacement, (resource) => [resource.key, resource]));
      return changed();
    },
    get: (key) => resources.get(key),
    all,
    prefixes: () => collectPrefixes(all()),
    compiler(options) {
      const key = optionsKey(options);
      let compiler = compilers.get(key);
      if (compiler === undefined) {
        const source = {
          get revision() {
            return revision;
          },
          resources: all,
        };
        compiler = createPolicyCompiler(source, rows, options);
        compilers.set(key, compiler);
      }
      return compiler;
    },
  };
}

function optionsKey({ enforcement, allowLocalhost, ipv4, ipv6, clusterName, defaultLocalCluster }: PolicyOptions): string {
  return JSON.stringify([enforcement, allowLocalhost, ipv4, ipv6, clusterName, defaultLocalCluster]);
}

function collectPrefixes(resources: readonly PolicyResource[]): readonly Cidr[] {
  const prefixes = new Map<string, Cidr>();
  for (const { rules } of resources) {
    for (const { peers } of rules) {
      for (const peer of peers.kind === 'peers' ? peers.peers : []) {
        if (peer.kind !== 'cidr') continue;
        for (const prefix of [peer.prefix, ...peer.except]) if (prefix.prefixLength > 0) prefixes.set(prefix.text, prefix);
      }
    }
  }
  return [...prefixes.values()].sort(compareCidr);
}
