import type { Identity, LabelSet, NumericIdentity } from '@cilium-ts/identity';
import { createReservedIdentities, numericIdentity } from '@cilium-ts/identity';
import type { IpAddress } from '@cilium-ts/core';
import { parseIp } from '@cilium-ts/core';
import { readDocuments } from '@cilium-ts/manifest';
import type { RecordIssue } from './flow-record.ts';
import type { JsonObject } from './record-value.ts';
import { RecordError, isObject, optionalList, optionalNumber, optionalObject, optionalText, own, readLabels } from './record-value.ts';

/** An identity together with what is known of who has it. */
export interface KnownIdentity extends Identity {
  /** How people call it, such as the pod's name. */
  readonly name?: string;
  readonly addresses?: readonly IpAddress[];
  /** Container ports with a name. */
  readonly namedPorts?: readonly { readonly name: string; readonly protocol: number; readonly port: number }[];
}

/** How {@link parseIdentities} reads. */
export interface IdentitiesOptions {
  readonly file?: string;
  /** Cluster of workloads whose labels do not say it. Default `default`. */
  readonly clusterName?: string;
}

/** What {@link parseIdentities} found. */
export interface ParsedIdentities {
  /** One for each set of labels, in order of appearance; those that share a set are merged. */
  readonly identities: readonly KnownIdentity[];
  readonly issues: readonly RecordIssue[];
}

/**
 * Reads identities from YAML or JSON: a list (or a map with `identities`, `pods` or `items`) of
 * `{id?, name?, namespace?, labels, addresses?}` with labels as texts or as a map; what `cilium identity list` and
 * `cilium endpoint list` print with `-o json`; lists of Kubernetes pods. Numbers that are missing, or that two sets of
 * labels claim, are made up. Never throws for bad content: `issues` say what is left out.
 */
export function parseIdentities(text: string, { file, clusterName = 'default' }: IdentitiesOptions = {}): ParsedIdentities {
  const issues: RecordIssue[] = [];
  const found: Found[] = [];
  const report = (line: number, field: string, message: string, remedy: string): void => {
    issues.push({ severity: 'error', ...(file === undefined ? {} : { file }), line, field, message, remedy });
  };
  const { objects, problems } = readDocuments(text);
  for (const { line, message } of problems) report(line, '', `not YAML or JSON: ${message}`, 'correct the text');
  for (const { value, locator, container } of objects) {
    const list = listOf(value);
    if (list === undefined) {
      report(locator.locate([]).line, container, 'there is no list of identities in it', 'write a list of {name, namespace, labels}');
      continue;
    }
    list.items.forEach((item, index) => {
      try {
        found.push(readItem(item, clusterName));
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        const place = list.single ? container : `${list.path.join('.')}[${index}]`;
        const line = locator.locate(list.single ? [] : [...list.path, index]).line;
        report(line, error.field === '' || place === '' ? `${place}${error.field}` : `${place}.${error.field}`, error.message, error.remedy);
      }
    });
  }
  return { identities: merge(found), issues };
}

interface Found {
  readonly id: number | undefined;
  readonly labels: LabelSet;
  readonly name: string | undefined;
  readonly addresses: readonly IpAddress[];
  readonly ports: NonNullable<KnownIdentity['namedPorts']>;
}

function listOf(root: unknown): { readonly path: readonly string[]; readonly items: readonly unknown[]; readonly single?: true } | undefined {
  if (Array.isArray(root)) return { path: [], items: root };
  if (!isObject(root)) return undefined;
  for (const key of ['identities', 'pods', 'items']) {
    const items = own(root, key);
    if (Array.isArray(items)) return { path: [key], items };
  }
  if (['labels', 'metadata', 'identity', 'status'].some((key) => own(root, key) !== undefined)) return { path: [], items: [root], single: true };
  return undefined;
}

/** An identity, an endpoint of the agent, an entry of `identity list --endpoints`, or a pod of Kubernetes. */
function readItem(item: unknown, clusterName: string): Found {
  if (!isObject(item)) throw new RecordError('', 'is no object', 'write {name, namespace, labels}');
  const wrapped = optionalObject(item, 'identity', '');
  if (wrapped !== undefined) return readItem(wrapped, clusterName);
  const status = optionalObject(item, 'status', '');
  const identity = status === undefined ? undefined : optionalObject(status, 'identity', 'status');
  if (status !== undefined && identity !== undefined) return readEndpoint(status, identity, clusterName);
  const metadata = optionalObject(item, 'metadata', '');
  if (metadata !== undefined) return readPod(item, metadata, clusterName);
  const id = optionalNumber(item, 'id', '');
  if (id !== undefined && id > 0xffff_ffff) throw new RecordError('id', `${id} is no number of an identity`, 'write 1 to 4294967295');
  const namespace = optionalText(item, 'namespace', '');
  return {
    id,
    labels: readLabels(own(item, 'labels'), 'labels', { namespace, clusterName }),
    name: optionalText(item, 'name', ''),
    addresses: readAddresses(optionalList(item, 'addresses', '') ?? [], 'addresses'),
    ports: readPorts(optionalList(item, 'ports', '') ?? [], 'ports'),
  };
}

function readEndpoint(status: JsonObject, identity: JsonObject, clusterName: string): Found {
  const networking = optionalObject(status, 'networking', 'status');
  const pairs = networking === undefined ? [] : (optionalList(networking, 'addressing', 'status.networking') ?? []);
  const names = optionalObject(status, 'external-identifiers', 'status');
  return {
    id: optionalNumber(identity, 'id', 'status.identity'),
    labels: readLabels(own(identity, 'labels'), 'status.identity.labels', { clusterName }),
    name: names === undefined ? undefined : (optionalText(names, 'pod-name', '') ?? optionalText(names, 'container-name', '')),
    addresses: readAddresses(pairs.flatMap((pair) => (isObject(pair) ? [own(pair, 'ipv4'), own(pair, 'ipv6')] : [])), 'status.networking.addressing'),
    ports: [],
  };
}

function readPod(item: JsonObject, metadata: JsonObject, clusterName: string): Found {
  const namespace = optionalText(metadata, 'namespace', 'metadata') ?? 'default';
  const status = optionalObject(item, 'status', '');
  const spec = optionalObject(item, 'spec', '');
  const addresses = status === undefined ? [] : (optionalList(status, 'podIPs', 'status') ?? []);
  const containers = spec === undefined ? [] : (optionalList(spec, 'containers', 'spec') ?? []);
  const name = optionalText(metadata, 'name', 'metadata');
  return {
    id: undefined,
    labels: readLabels(own(metadata, 'labels') ?? {}, 'metadata.labels', { namespace, clusterName }),
    name: name === undefined ? undefined : `${namespace}/${name}`,
    addresses: readAddresses(addresses.map((entry) => (isObject(entry) ? own(entry, 'ip') : entry)), 'status.podIPs'),
    ports: readPorts(containers.flatMap((container) => (isObject(container) ? (optionalList(container, 'ports', 'spec.containers') ?? []) : [])), 'spec.containers.ports'),
  };
}

function readAddresses(values: readonly unknown[], path: string): IpAddress[] {
  return values
    .filter((value) => value !== undefined)
    .map((value) => {
      const address = typeof value === 'string' ? parseIp(value) : undefined;
      if (address === undefined) throw new RecordError(path, `${JSON.stringify(value)} is no address`, 'write IPv4 or IPv6 addresses');
      return address;
    });
}

const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** Container ports; those without a name are of no use to policies. */
function readPorts(values: readonly unknown[], path: string): NonNullable<KnownIdentity['namedPorts']> {
  return values.flatMap((value) => {
    if (!isObject(value)) throw new RecordError(path, 'is no object', 'write {name, containerPort, protocol}');
    const name = optionalText(value, 'name', path);
    const port = optionalNumber(value, 'containerPort', path) ?? optionalNumber(value, 'port', path);
    const protocol = PROTOCOLS[(optionalText(value, 'protocol', path) ?? 'TCP').toUpperCase()];
    if (name === undefined || port === undefined || protocol === undefined || port > 65_535) return [];
    return [{ name: name.toLowerCase(), protocol, port }];
  });
}

function merge(found: readonly Found[]): KnownIdentity[] {
  const reserved = createReservedIdentities({ ipv4: true, ipv6: true });
  const byLabels = new Map<string, Found[]>();
  for (const one of found) {
    const same = byLabels.get(one.labels.text);
    if (same === undefined) byLabels.set(one.labels.text, [one]);
    else same.push(one);
  }
  const taken = new Set<number>();
  const claimed = [...byLabels.values()].map((same) => {
    const id = reserved.byLabels(same[0]!.labels)?.id ?? same.find((one) => one.id !== undefined)?.id;
    if (id === undefined || id === 0 || taken.has(id)) return undefined;
    taken.add(id);
    return id;
  });
  let next = 256;
  const free = (): number => {
    while (taken.has(next)) next++;
    return next++;
  };
  return [...byLabels.values()].map((same, index) => {
    const [first] = same;
    const names = [...new Set(same.map(({ name }) => name).filter((name) => name !== undefined))];
    const addresses = [...new Map(same.flatMap((one) => one.addresses.map((address) => [address.text, address] as const))).values()];
    const namedPorts = [...new Map(same.flatMap(({ ports }) => ports.map((port) => [`${port.name}/${port.protocol}/${port.port}`, port] as const))).values()];
    return {
      id: numericIdentity(claimed[index] ?? free()) as NumericIdentity,
      labels: first!.labels,
      ...(names[0] === undefined ? {} : { name: names[0] }),
      ...(addresses.length === 0 ? {} : { addresses }),
      ...(namedPorts.length === 0 ? {} : { namedPorts }),
    };
  });
}
