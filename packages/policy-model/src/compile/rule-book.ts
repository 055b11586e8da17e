import type { LabelSet } from '@cilium-ts/identity';
import { selectorMatches } from '@cilium-ts/identity';
import type { PolicyDirectory } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { PolicyResource } from '../model/resource.ts';
import type { Rule } from '../model/rule.ts';
import type { PrepareContext, PreparedRule } from './prepared-rule.ts';
import { isDynamic, prepareRule } from './prepared-rule.ts';
import type { PeerReferences } from './resolve-peer.ts';
import type { SelectorIndex } from './selector-index.ts';
import { createSelectorIndex } from './selector-index.ts';

/** Where rules come from: immutable resources under a revision that grows with every change. */
export interface RuleSource extends PeerReferences {
  readonly revision: number;
  readonly directory: PolicyDirectory;
  resources(): Iterable<PolicyResource>;
  get(key: string): PolicyResource | undefined;
  /** Keys of what came, went or is another since that revision; `undefined` where that is not known any more. */
  changedSince(revision: number): ReadonlySet<string> | undefined;
}

/** Rules that are gone and rules that are new; one that changed is both. */
export interface RuleChanges {
  readonly removed: readonly PreparedRule[];
  readonly added: readonly PreparedRule[];
}

/** The prepared rules of a source, found by the labels of the endpoints that they select. */
export interface RuleBook {
  /** Catches up with the source; what is as it was is left alone. */
  sync(): RuleChanges;
  /** The rules that select these labels, by key of their resource and place in it. */
  select(labels: LabelSet): readonly PreparedRule[];
}

interface Page {
  readonly resource: PolicyResource;
  readonly rules: readonly PreparedRule[];
  readonly dynamic: boolean;
}

const NO_CHANGES: RuleChanges = { removed: [], added: [] };

/** An empty book; nothing is read before the first `sync`. */
export function createRuleBook(source: RuleSource, options: PolicyOptions): RuleBook {
  const pages = new Map<string, Page>();
  const subjects = createSelectorIndex<PreparedRule>();
  let numbers = 0;
  const context: PrepareContext = { options, references: source, number: () => ++numbers };
  let revision = 0;
  const referred = (): number => source.directory.referencesRevision + (options.strictNetworkPolicy === true ? source.directory.addressesRevision : 0);
  let references = referred();
  return {
    sync() {
      if (revision === source.revision && references === referred()) return NO_CHANGES;
      const changes: MutableChanges = { removed: [], added: [], turned: new Set(), groups: references !== referred() };
      if (revision !== source.revision) turnPages(pages, source, { since: revision, context, changes });
      if (changes.groups) refreshDynamic(pages, context, changes);
      for (const prepared of changes.removed) subjects.remove(prepared.rule.subject, prepared);
      for (const prepared of changes.added) subjects.add(prepared.rule.subject, prepared);
      ({ revision } = source);
      references = referred();
      return changes;
    },
    select: (labels) => selectRules(subjects, labels),
  };
}

interface MutableChanges extends RuleChanges {
  readonly removed: PreparedRule[];
  readonly added: PreparedRule[];
  /** Keys of resources whose rules were prepared just now. */
  readonly turned: Set<string>;
  /** Whether something may have changed to which rules refer. */
  groups: boolean;
}

/** Replaces the pages whose resource is another object, and takes out those whose resource has gone. */
function turnPages(pages: Map<string, Page>, source: RuleSource, { since, context, changes }: { since: number; context: PrepareContext; changes: MutableChanges }): void {
  const keys = source.changedSince(since) ?? new Set([...pages.keys(), ...Array.from(source.resources(), ({ key }) => key)]);
  for (const key of keys) {
    const resource = source.get(key);
    const page = pages.get(key);
    if (resource === page?.resource) continue;
    if (resource !== undefined) replacePage(pages, resource, context, changes);
    else if (page !== undefined) {
      changes.removed.push(...page.rules);
      changes.groups ||= page.resource.group !== undefined;
      pages.delete(key);
    }
  }
}

/** Whether a rule is one: by its own words a NetworkPolicy has none in directions that it does not list. */
function counts({ unlisted }: Rule, { strictNetworkPolicy = false }: PolicyOptions): boolean {
  return !(unlisted === true && strictNetworkPolicy);
}

function replacePage(pages: Map<string, Page>, resource: PolicyResource, context: PrepareContext, changes: MutableChanges): void {
  const rules = resource.rules.flatMap((rule, index) => (counts(rule, context.options) ? [prepareRule(rule, { resource: resource.key, index }, context)] : []));
  const before = pages.get(resource.key);
  changes.turned.add(resource.key);
  changes.groups ||= (before?.resource.group ?? resource.group) !== undefined;
  changes.removed.push(...(before?.rules ?? []));
  changes.added.push(...rules);
  pages.set(resource.key, { resource, rules, dynamic: resource.rules.some((rule) => isDynamic(rule, context.options)) });
}

/** Prepares again the rules that refer to something, and replaces those for which it means something else now. */
function refreshDynamic(pages: Map<string, Page>, context: PrepareContext, changes: MutableChanges): void {
  for (const page of pages.values()) {
    if (!page.dynamic || changes.turned.has(page.resource.key)) continue;
    const rules = page.rules.map((prepared) => {
      if (!isDynamic(prepared.rule, context.options)) return prepared;
      const again = prepareRule(prepared.rule, prepared.place, context);
      if (samePeers(prepared, again)) return prepared;
      changes.removed.push(prepared);
      changes.added.push(again);
      return again;
    });
    pages.set(page.resource.key, { ...page, rules });
  }
}

function samePeers(a: PreparedRule, b: PreparedRule): boolean {
  // Whether everybody is meant shows in the terms.
  if (a.anyTerms.length !== b.anyTerms.length || a.namedAnyTerms.length !== b.namedAnyTerms.length) return false;
  return a.peers.length === b.peers.length && a.peers.every(({ text }, i) => text === b.peers[i]!.text);
}

function selectRules(subjects: SelectorIndex<PreparedRule>, labels: LabelSet): readonly PreparedRule[] {
  const host = labels.has('reserved', 'host');
  const selected: PreparedRule[] = [];
  subjects.candidates(labels, (prepared) => {
    if (prepared.selectsHost === host && selectorMatches(prepared.rule.subject, labels)) selected.push(prepared);
  });
  return selected.sort(comparePlaces);
}

function comparePlaces({ place: a }: PreparedRule, { place: b }: PreparedRule): number {
  if (a.resource !== b.resource) return a.resource < b.resource ? -1 : 1;
  return a.index - b.index;
}
