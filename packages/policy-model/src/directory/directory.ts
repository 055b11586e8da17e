import type { Cidr, IpAddress } from '@cilium-ts/core';
import { hostCidr } from '@cilium-ts/core';
import type { LabelSet, NumericIdentity } from '@cilium-ts/identity';
import { labelSet, makeLabel, selectorMatches } from '@cilium-ts/identity';
import type { ServiceReference } from '../model/rule.ts';

/** A service as rules refer to it. */
export interface ServiceEntry {
  readonly namespace: string;
  readonly name: string;
  /** Labels of the service itself, which rules select services by. */
  readonly labels: LabelSet;
  /** Labels of the pods behind it, in its namespace; `undefined` for a service without a selector. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  /** Where a service without a selector leads. Empty for one with a selector. */
  readonly prefixes: readonly Cidr[];
}

/** A service as it is fed in. */
export interface ServiceDescription {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of the pods in its namespace; an empty one means none, as in Kubernetes. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Backends of a service without a selector; ignored beside one. */
  readonly addresses?: readonly (IpAddress | Cidr)[];
}

/** A port that a container has given a name. */
export interface NamedPort {
  /** Compared in lower case. */
  readonly name: string;
  /** IP protocol number. */
  readonly protocol: number;
  readonly port: number;
}

/** What changed in a directory. */
export type DirectoryChange =
  | { readonly kind: 'service'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'group'; readonly group: string }
  | { readonly kind: 'named-ports'; readonly identity: NumericIdentity }
  | { readonly kind: 'addresses'; readonly identity: NumericIdentity };

/** What rules refer to beyond labels: services, groups of cloud providers, names of ports. Filled by its owner. */
export interface PolicyDirectory {
  /** Grows with every change and never otherwise; saying again what is known is none. */
  readonly revision: number;
  /** The same of services and groups alone, on which it depends whom rules mean. */
  readonly referencesRevision: number;
  /** The same of addresses alone. */
  readonly addressesRevision: number;
  setService(service: ServiceDescription): void;
  removeService(namespace: string, name: string): void;
  /** The addresses of a provider's group, by its text in `GroupPeer.group`; none: the group is forgotten. */
  setGroup(group: string, prefixes: readonly Cidr[]): void;
  /** The names that the containers of an identity's pods give to ports, of all its pods together; none: forgotten. */
  setNamedPorts(identity: NumericIdentity, ports: readonly NamedPort[]): void;
  /**
   * Where the pods or nodes of an identity are, all of them together; none: forgotten. Only needed where
   * `strictNetworkPolicy` is on, so that prefixes can mean them.
   */
  setAddresses(identity: NumericIdentity, addresses: readonly IpAddress[]): void;
  /** The services that a rule means, by ascending namespace and name. */
  services(reference: ServiceReference): readonly ServiceEntry[];
  allServices(): readonly ServiceEntry[];
  group(group: string): readonly Cidr[];
  namedPorts(identity: NumericIdentity): readonly NamedPort[];
  addresses(identity: NumericIdentity): readonly IpAddress[];
  /** Everybody whose addresses are known. */
  allAddresses(): Iterable<readonly [NumericIdentity, readonly IpAddress[]]>;
  /** Calls the listener after every change, until the result is called. */
  subscribe(listener: (change: DirectoryChange) => void): () => void;
}

/** An empty directory. */
export function createPolicyDirectory(): PolicyDirectory {
  return new Directory();
}

class Directory implements PolicyDirectory {
  revision = 1;
  referencesRevision = 1;
  addressesRevision = 1;
  readonly #services = new Map<string, { readonly entry: ServiceEntry; readonly text: string }>();
  readonly #groups = new Map<string, readonly Cidr[]>();
  readonly #ports = new Map<NumericIdentity, readonly NamedPort[]>();
  readonly #addresses = new Map<NumericIdentity, readonly IpAddress[]>();
  readonly #listeners = new Set<(change: DirectoryChange) => void>();

  setService(service: ServiceDescription): void {
    const { namespace, name } = service;
    const entry = serviceEntry(service);
    const text = JSON.stringify([entry.labels.text, Object.entries(entry.selector ?? {}).sort(), entry.prefixes.map((prefix) => prefix.text)]);
    const key = serviceKey(namespace, name);
    if (this.#services.get(key)?.text === text) return;
    this.#services.set(key, { entry, text });
    this.#changed({ kind: 'service', namespace, name });
  }

  removeService(namespace: string, name: string): void {
    if (this.#services.delete(serviceKey(namespace, name))) this.#changed({ kind: 'service', namespace, name });
  }

  setGroup(group: string, prefixes: readonly Cidr[]): void {
    const sorted = uniquePrefixes(prefixes);
    if (sameTexts(sorted, this.group(group))) return;
    if (sorted.length === 0) this.#groups.delete(group);
    else this.#groups.set(group, sorted);
    this.#changed({ kind: 'group', group });
  }

  setNamedPorts(identity: NumericIdentity, ports: readonly NamedPort[]): void {
    const canonical = canonicalNamedPorts(ports);
    if (namedPortsText(canonical) === namedPortsText(this.namedPorts(identity))) return;
    if (canonical.length === 0) this.#ports.delete(identity);
    else this.#ports.set(identity, canonical);
    this.#changed({ kind: 'named-ports', identity });
  }

  setAddresses(identity: NumericIdentity, addresses: readonly IpAddress[]): void {
    const sorted = [...new Map(addresses.map((address) => [address.text, address]))].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address);
    if (sameTexts(sorted, this.addresses(identity))) return;
    if (sorted.length === 0) this.#addresses.delete(identity);
    else this.#addresses.set(identity, sorted);
    this.#changed({ kind: 'addresses', identity });
  }

  services(reference: ServiceReference): readonly ServiceEntry[] {
    if ('name' in reference) {
      const { name, namespace } = reference;
      if (namespace === undefined) return this.allServices().filter((entry) => entry.name === name);
      const found = this.#services.get(serviceKey(namespace, name));
      return found === undefined ? [] : [found.entry];
    }
    const { selector, namespace } = reference;
    return this.allServices().filter((entry) => (namespace === undefined || entry.namespace === namespace) && selectorMatches(selector, entry.labels));
  }

  allServices(): readonly ServiceEntry[] {
    return [...this.#services].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { entry }]) => entry);
  }

  group(group: string): readonly Cidr[] {
    return this.#groups.get(group) ?? [];
  }

  namedPorts(identity: NumericIdentity): readonly NamedPort[] {
    return this.#ports.get(identity) ?? NO_PORTS;
  }

  addresses(identity: NumericIdentity): readonly IpAddress[] {
    return this.#addresses.get(identity) ?? [];
  }

  allAddresses(): Iterable<readonly [NumericIdentity, readonly IpAddress[]]> {
    return this.#addresses;
  }

  subscribe(listener: (change: DirectoryChange) => void): () => void {
    // A function of its own, so that one subscribed twice is called twice and removed once.
    const own = (change: DirectoryChange): void => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  #changed(change: DirectoryChange): void {
    this.revision++;
    if (change.kind === 'addresses') this.addressesRevision++;
    else if (change.kind !== 'named-ports') this.referencesRevision++;
    for (const listener of [...this.#listeners]) listener(change);
  }
}

/** One for all: it is asked for again and again. */
const NO_PORTS: readonly NamedPort[] = Object.freeze([]);

const serviceKey = (namespace: string, name: string): string => `${namespace}/${name}`;

function serviceEntry({ namespace, name, labels = {}, selector = {}, addresses = [] }: ServiceDescription): ServiceEntry {
  const selects = Object.keys(selector).length > 0;
  return {
    namespace,
    name,
    labels: labelSet(Object.entries(labels).map(([key, value]) => makeLabel('k8s', key, value))),
    selector: selects ? { ...selector } : undefined,
    prefixes: selects ? [] : uniquePrefixes(addresses.map((address) => ('prefixLength' in address ? address : hostCidr(address)))),
  };
}

function uniquePrefixes(prefixes: readonly Cidr[]): readonly Cidr[] {
  return [...new Map(prefixes.map((prefix) => [prefix.text, prefix]))].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, prefix]) => prefix);
}

const sameTexts = (a: readonly { readonly text: string }[], b: readonly { readonly text: string }[]): boolean => a.length === b.length && a.every(({ text }, i) => text === b[i]!.text);

/** Names in lower case, sorted, once each. */
export function canonicalNamedPorts(ports: readonly NamedPort[]): readonly NamedPort[] {
  const byText = new Map<string, NamedPort>();
  for (const { name, protocol, port } of ports) {
    const lower = name.toLowerCase();
    byText.set(`${lower}/${protocol}/${port}`, { name: lower, protocol, port });
  }
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, port]) => port);
}

/** Equal for equal sets of canonical named ports. */
export function namedPortsText(ports: readonly NamedPort[]): string {
  return ports.map(({ name, protocol, port }) => `${name}/${protocol}=${port}`).join();
}
