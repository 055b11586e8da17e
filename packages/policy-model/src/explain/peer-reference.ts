import type { IpAddress } from '@cilium-ts/core';
import { parseIp } from '@cilium-ts/core';
import type { Identity, LabelSet } from '@cilium-ts/identity';
import { createReservedIdentities, labelSet, numericIdentity, workloadLabels, worldLabel } from '@cilium-ts/identity';
import { PolicyModelError } from '../error.ts';
import { canonicalFqdn } from '../fqdn/fqdn-name.ts';
import type { PolicyOptions } from '../model/options.ts';
import { isBackend } from './match-peer.ts';
import type { OutsideFacts } from './outside-identity.ts';
import { addressLabels, nameLabels } from './outside-identity.ts';
import type { PolicySource } from './policy-source.ts';

/** One end of a question, in the words of whoever asks. */
export type PeerReference =
  | { readonly labels: readonly string[]; readonly namespace?: string }
  | { readonly identity: number }
  | { readonly ip: string }
  /** Name of a reserved identity, such as `host` or `world`. */
  | { readonly reserved: string }
  /** `namespace/name` of a service: everybody behind it. */
  | { readonly service: string }
  /** A DNS name: whatever it leads to. */
  | { readonly name: string };

/** What a reference is resolved with. */
export interface PeerReferenceContext {
  readonly repository: PolicySource & Partial<{ prefixes(): OutsideFacts['prefixes']; fqdnSelectors(): OutsideFacts['fqdnSelectors'] }>;
  /** Known identities; those of labels that nobody has get a made-up number. */
  readonly identities?: Iterable<Identity>;
  /** What is known of an address, such as whose pod it is. Default: what the prefixes of the rules make of it. */
  readonly lookup?: (address: IpAddress) => Identity | undefined;
  /** Addresses that a DNS name leads to, where they are known. */
  readonly resolve?: (name: string) => readonly IpAddress[];
  readonly options: PolicyOptions;
}

/** Whom a reference means: one identity, or several (backends of a service, addresses of a name). Never empty. */
export interface ResolvedPeer {
  readonly text: string;
  readonly identities: readonly Identity[];
}

/** Numbers for labels that no known identity has: the end of the node-local range. */
const FIRST_MADE_UP = 0x01ff_0000;

/**
 * The identities that a reference means. Text is read so: digits are an identity, an address an address, `service:ns/name`
 * a service, `dns:name` a DNS name, the name of a reserved identity that; everything else is labels, separated by commas.
 * Throws PolicyModelError `unknown-peer` for what is not known, and RangeError for text that says nothing.
 */
export function resolvePeerReference(reference: string | PeerReference, context: PeerReferenceContext): ResolvedPeer {
  const read = typeof reference === 'string' ? readReference(reference) : reference;
  const text = typeof reference === 'string' ? reference : describeReference(reference);
  const known = new Map(Array.from(context.identities ?? [], (identity) => [identity.labels.text, identity]));
  const reserved = createReservedIdentities(context.options);
  let next = FIRST_MADE_UP;
  const holder = (labels: LabelSet): Identity => {
    const found = known.get(labels.text) ?? reserved.byLabels(labels);
    if (found !== undefined) return found;
    const taken = new Set(Array.from(known.values(), ({ id }) => Number(id)));
    while (taken.has(next)) next++;
    const made = { id: numericIdentity(next), labels };
    known.set(labels.text, made);
    return made;
  };
  return { text, identities: meant(read, { ...context, holder, known, text }) };
}

interface Resolution extends PeerReferenceContext {
  readonly holder: (labels: LabelSet) => Identity;
  readonly known: ReadonlyMap<string, Identity>;
  readonly text: string;
}

function meant(reference: PeerReference, context: Resolution): readonly Identity[] {
  const { options, holder, known } = context;
  const reserved = createReservedIdentities(options);
  if ('labels' in reference) return [holder(workloadLabels(reference.labels, { clusterName: options.clusterName, namespace: reference.namespace }))];
  if ('identity' in reference) {
    const found = [...known.values()].find(({ id }) => id === reference.identity) ?? reserved.get(reference.identity);
    return [found ?? unknown(context, 'no identity of that number is known')];
  }
  if ('reserved' in reference) return [namedReserved(reference.reserved, context)];
  if ('ip' in reference) return [byAddress(parseIp(reference.ip) ?? unknown(context, 'this is neither an IPv4 nor an IPv6 address'), context)];
  if ('service' in reference) return backends(reference.service, context);
  return byName(reference.name, context);
}

function namedReserved(name: string, context: Resolution): Identity {
  const { ipv4 } = context.options;
  const wanted = name === 'world' ? worldLabel(ipv4 ? 4 : 6, context.options).key : name;
  const reserved = createReservedIdentities(context.options).all();
  return reserved.find(({ labels }) => labels.has('reserved', wanted)) ?? unknown(context, `there is no reserved identity ${name}`);
}

function outsideFacts({ repository }: PeerReferenceContext): OutsideFacts {
  return { prefixes: repository.prefixes?.() ?? [], fqdnSelectors: repository.fqdnSelectors?.() ?? [] };
}

function byAddress(address: IpAddress, context: Resolution, names: readonly string[] = []): Identity {
  const found = names.length === 0 ? context.lookup?.(address) : undefined;
  return found ?? context.holder(addressLabels(address, outsideFacts(context), { ...context.options, names }));
}

function backends(service: string, context: Resolution): readonly Identity[] {
  const [namespace, name, ...rest] = service.split('/');
  if (namespace === undefined || name === undefined || rest.length > 0) unknown(context, 'a service is written namespace/name');
  const { repository: source, options } = context;
  const found = source.directory?.services({ namespace, name }) ?? [];
  if (found.length === 0) unknown(context, 'no such service is known');
  const pods = [...context.known.values()].filter(({ labels }) => found.some((one) => isBackend(one, { labels, source, options })));
  const outside = found.flatMap(({ prefixes }) => prefixes.map((prefix) => context.holder(addressLabels(prefix, outsideFacts(context), options))));
  const all = [...new Map([...pods, ...outside].map((identity) => [identity.id, identity])).values()];
  return all.length > 0 ? all : unknown(context, 'nobody that is known is behind this service');
}

function byName(name: string, context: Resolution): readonly Identity[] {
  const canonical = canonicalFqdn(name) ?? unknown(context, 'this is no DNS name');
  const addresses = context.resolve?.(canonical) ?? [];
  if (addresses.length > 0) return [...new Map(addresses.map((address) => byAddress(address, context, [canonical])).map((one) => [one.id, one])).values()];
  const { options } = context;
  const world = worldLabel(options.ipv4 ? 4 : 6, options);
  return [context.holder(labelSet([world, ...nameLabels([canonical], outsideFacts(context).fqdnSelectors)]))];
}

function unknown({ text }: Resolution, why: string): never {
  throw new PolicyModelError('unknown-peer', `find the peer ${text}: ${why}`);
}

/** The words of whoever asks. */
function readReference(text: string): PeerReference {
  const trimmed = text.trim();
  if (trimmed === '') throw new RangeError('reference: empty; give labels, an identity, an address, service:namespace/name or dns:name');
  if (/^\d+$/.test(trimmed)) return { identity: Number(trimmed) };
  if (parseIp(trimmed) !== undefined) return { ip: trimmed };
  const prefixed = /^(service|dns|reserved|identity):(.+)$/.exec(trimmed);
  if (prefixed?.[1] === 'service') return { service: prefixed[2]! };
  if (prefixed?.[1] === 'dns') return { name: prefixed[2]! };
  if (prefixed?.[1] === 'identity' && /^\d+$/.test(prefixed[2]!)) return { identity: Number(prefixed[2]) };
  if (prefixed?.[1] === 'reserved') return { reserved: prefixed[2]! };
  if (RESERVED_NAMES.has(trimmed)) return { reserved: trimmed };
  return { labels: trimmed.split(',').map((label) => label.trim()).filter((label) => label !== '') };
}

const RESERVED_NAMES = new Set(['host', 'world', 'world-ipv4', 'world-ipv6', 'unmanaged', 'health', 'init', 'remote-node', 'kube-apiserver', 'ingress']);

function describeReference(reference: PeerReference): string {
  const [[kind, value] = ['', '']] = Object.entries(reference);
  return kind === 'labels' ? (value as readonly string[]).join(',') : `${kind} ${String(value)}`;
}
