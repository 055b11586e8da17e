import { parseCidr } from '@cilium-ts/core';
import type { Identity, LabelSet } from '@cilium-ts/identity';
import { cidrLabels, labelSet, makeLabel, numericIdentity, worldIdentity, worldLabel } from '@cilium-ts/identity';
import type { FqdnSelector, PolicyRepository } from '../../../src/index.ts';
import { holds, familyOf } from '../simulator/address.ts';
import { nameMatches } from '../simulator/layer7.ts';
import type { Party, SimOptions, Tables } from '../simulator/tables.ts';

const RESERVED: Readonly<Record<string, number>> = { host: 1, unmanaged: 3, health: 4, init: 5, 'remote-node': 6, 'kube-apiserver': 7, ingress: 8 };

/** Numbers by labels: the same labels are the same identity, today and tomorrow. */
const numbers = new Map<string, number>();

function number(labels: LabelSet, base: number): number {
  const known = numbers.get(labels.text);
  if (known !== undefined) return known;
  numbers.set(labels.text, base + numbers.size + 1000);
  return base + numbers.size + 999;
}

/** What the addresses of names have to be labelled by. */
export interface NameSource {
  readonly tables: Tables;
  readonly options: SimOptions;
  readonly selectors: readonly { readonly selector: FqdnSelector; readonly key: string }[];
}

/** The identity that a party has where these policies are: what an ipcache and a name cache would make of it. */
export function identityOf(party: Party, repository: PolicyRepository, names: NameSource): Identity {
  if (party.where === 'inside') return insideIdentity(party);
  const address = party.addresses[0]!;
  const families = names.options;
  const covering = repository.prefixes().filter(({ text }) => holds(text, address));
  const fqdn = names.selectors.filter(({ selector }) =>
    names.tables.names.some(({ name, addresses }) => addresses.includes(address) && nameMatches('name' in selector ? { matchName: selector.name } : { matchPattern: selector.pattern }, name)),
  );
  const world = worldLabel(familyOf(address), families);
  const labels = labelSet([
    ...party.labels,
    ...covering.flatMap((prefix) => [...cidrLabels(parseCidr(prefix.text)!, families)]),
    ...fqdn.map(({ key }) => makeLabel('fqdn', key)),
    world,
  ]);
  const plain = labels.size === 1;
  return { id: numericIdentity(plain ? worldIdentity(familyOf(address), families) : number(labels, 0x0100_0000)), labels };
}

function insideIdentity(party: Party): Identity {
  const labels = labelSet(party.labels);
  const name = ['host', 'kube-apiserver', 'remote-node', 'health', 'init', 'unmanaged', 'ingress'].find((one) => labels.has('reserved', one));
  if (name === undefined) return { id: numericIdentity(number(labels, 0)), labels };
  // A node with labels of its own has a number of its own.
  const own = name === 'remote-node' && labels.size > 1;
  return { id: numericIdentity(own ? number(labels, 0x0200_0000) : RESERVED[name]!), labels };
}
