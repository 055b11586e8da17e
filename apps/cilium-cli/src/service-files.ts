import { parseCidr, type Cidr } from '@cilium-ts/core';
import { readDocuments } from '@cilium-ts/manifest';
import type { PolicyDirectory } from '@cilium-ts/policy-model';
import { CliError } from './failure.ts';
import type { Io } from './io.ts';
import type { References } from './policy-settings.ts';

interface Item {
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly selector?: Readonly<Record<string, string>> };
  readonly subsets?: readonly { readonly addresses?: readonly { readonly ip?: string }[] }[];
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[];
}

/** Tells the directory the Services of a file, and the addresses (Endpoints, EndpointSlice) of those without a selector. Throws {@link CliError}. */
export function readServices(io: Io, file: string, directory: PolicyDirectory): void {
  const { objects, problems } = readDocuments(io.read(file));
  const [broken] = problems;
  if (broken !== undefined) throw new CliError(`--services: ${file}:${broken.line}:${broken.column}: ${broken.message} (${broken.remedy})`);
  const items = objects.map(({ value }) => value).filter((value): value is Item => typeof value === 'object' && value !== null);
  const services = items.filter(({ kind, metadata }) => kind === 'Service' && typeof metadata?.name === 'string');
  if (services.length === 0) throw new CliError(`--services: there is no Service in ${file}`);
  const addresses = new Map<string, Cidr[]>();
  for (const item of items) {
    const key = keyOf(item, item.kind === 'EndpointSlice' ? item.metadata?.labels?.['kubernetes.io/service-name'] : item.metadata?.name);
    const texts = [...(item.subsets ?? []).flatMap((subset) => (subset.addresses ?? []).map(({ ip }) => ip ?? '')), ...(item.endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? [])];
    if (texts.length > 0) addresses.set(key, [...(addresses.get(key) ?? []), ...texts.map((text) => parseCidr(text)).filter((prefix) => prefix !== undefined)]);
  }
  for (const service of services) {
    const { metadata, spec } = service;
    directory.setService({
      namespace: namespaceOf(service),
      name: String(metadata!.name),
      ...(metadata!.labels === undefined ? {} : { labels: metadata!.labels }),
      ...(spec?.selector === undefined ? {} : { selector: spec.selector }),
      addresses: addresses.get(keyOf(service, metadata!.name)) ?? [],
    });
  }
}

/** The same as something that rules refer to; the file is read once. */
export function servicesOf(io: Io, file: string): References {
  const text = io.read(file);
  return (directory) => { readServices({ ...io, read: () => text }, file, directory); };
}

const namespaceOf = ({ metadata }: Item): string => (typeof metadata?.namespace === 'string' ? metadata.namespace : 'default');
const keyOf = (item: Item, name: unknown): string => `${namespaceOf(item)}/${String(name)}`;
