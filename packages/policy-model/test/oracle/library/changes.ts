import { parseCidr, parseIp } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import fc from 'fast-check';
import type { NamedPort, PolicyDirectory, PolicyRepository, PolicyResource, PolicyTracker, SubjectDetails } from '../../../src/index.ts';
import { PORT_NAMES, PREFIXES } from '../generators/pools.ts';

/** One thing that changes: what, and numbers by which it is found. */
export interface Change {
  readonly kind: 'put' | 'remove' | 'add-identity' | 'remove-identity' | 'relabel' | 'add-subject' | 'remove-subject' | 'service' | 'group' | 'ports' | 'addresses';
  readonly which: number;
  readonly how: number;
}

const KINDS = ['put', 'put', 'remove', 'add-identity', 'add-identity', 'remove-identity', 'relabel', 'add-subject', 'add-subject', 'remove-subject', 'service', 'service', 'group', 'ports', 'ports', 'ports', 'addresses'] as const;

/** Sequences of changes; after each group of them somebody asks what is new. */
export const changes: fc.Arbitrary<Change[][]> = fc.array(
  fc.array(fc.record<Change>({ kind: fc.constantFrom(...KINDS), which: fc.nat(1000), how: fc.nat(1000) }, { noNullPrototype: true }), { minLength: 1, maxLength: 4 }),
  { minLength: 1, maxLength: 12, size: 'max' },
);

/** What there is to choose from. */
export interface Choice {
  readonly resources: readonly PolicyResource[];
  readonly identities: readonly Identity[];
  readonly groups: readonly string[];
}

/** What is so after the changes so far, for whoever starts from scratch. */
export interface State {
  readonly identities: Map<number, Identity>;
  readonly subjects: Map<number, { readonly identity: Identity; readonly details: SubjectDetails }>;
  /** What was told to the directory last, by what about. */
  readonly told: Map<string, (directory: PolicyDirectory) => void>;
}

/** Makes a change known to everybody who keeps track. */
export function make(change: Change, choice: Choice, state: State, { repository, tracker }: { repository: PolicyRepository; tracker: PolicyTracker }): void {
  const { which, how } = change;
  const pick = <T>(list: readonly T[], number = which): T => list[number % list.length]!;
  const identity = pick(choice.identities);
  switch (change.kind) {
    case 'put':
      repository.upsert(pick(choice.resources));
      return;
    case 'remove':
      repository.remove(pick(choice.resources).key);
      return;
    case 'add-identity':
    case 'relabel': {
      const added = change.kind === 'relabel' ? { ...identity, labels: pick(choice.identities, how).labels } : identity;
      state.identities.set(added.id, added);
      tracker.addIdentity(added);
      return;
    }
    case 'remove-identity':
      state.identities.delete(identity.id);
      tracker.removeIdentity(identity.id);
      return;
    case 'add-subject': {
      const details = how % 3 === 0 ? { namedPorts: portsBy(how) } : {};
      state.subjects.set(identity.id, { identity, details });
      tracker.addSubject(identity, details);
      return;
    }
    case 'remove-subject':
      state.subjects.delete(identity.id);
      tracker.removeSubject(identity.id);
      return;
    default: {
      // Mostly about somebody who is known.
      const known = [...state.identities.values()];
      const [about, tell] = fact(change, choice, how % 4 > 0 && known.length > 0 ? pick(known) : identity);
      state.told.set(about, tell);
      tell(repository.directory);
    }
  }
}

/** Something to tell a directory, and what it is about. */
function fact({ kind, which, how }: Change, { groups }: Choice, { id }: Identity): [string, (directory: PolicyDirectory) => void] {
  const prefixes = PREFIXES.filter((_prefix, index) => (how >> index) % 2 === 1).slice(0, 3);
  if (kind === 'service') {
    const [namespace, name] = [which % 2 === 0 ? 'shop' : 'bank', which % 3 === 0 ? 'web' : 'ext'] as const;
    const about = `service ${namespace}/${name}`;
    if (how % 4 === 0) return [about, (directory) => directory.removeService(namespace, name)];
    const selector = how % 4 === 1 ? { selector: { app: how % 8 === 1 ? 'web' : 'db' } } : { addresses: prefixes.map((text) => parseCidr(text)!) };
    return [about, (directory) => directory.setService({ namespace, name, labels: how % 5 === 0 ? {} : { role: 'data' }, ...selector })];
  }
  if (kind === 'group') {
    const group = groups[which % groups.length]!;
    return [`group ${group}`, (directory) => directory.setGroup(group, prefixes.map((text) => parseCidr(text)!))];
  }
  if (kind === 'ports') return [`ports ${id}`, (directory) => directory.setNamedPorts(id, portsBy(how))];
  const addresses = ['10.7.0.0', '10.7.0.1', '172.30.0.9', 'fd07::1'].filter((_address, index) => (how >> index) % 2 === 1);
  return [`addresses ${id}`, (directory) => directory.setAddresses(id, addresses.map((text) => parseIp(text)!))];
}

const portsBy = (number: number): NamedPort[] =>
  PORT_NAMES.filter((_name, index) => (number >> index) % 2 === 1).map((name) => ({ name, protocol: number % 2 === 0 ? 6 : 17, port: number % 5 === 0 ? 8080 : 80 }));
