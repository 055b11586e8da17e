import { parseCidr, parseIp } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import type { Peer, PolicyDirectory, PolicyRepository, PolicyResource } from '../../../src/index.ts';
import { createPolicyRepository, fqdnLabelKey, formatIssue, parsePolicies } from '../../../src/index.ts';
import type { Json, Party, SimOptions, Tables } from '../simulator/tables.ts';
import { identityOf } from './identities.ts';

/** All that a question is asked of: policies, who there is, and what is known of them. */
export interface Scene {
  readonly documents: readonly Json[];
  readonly parties: readonly Party[];
  readonly tables: Tables;
  readonly options: SimOptions;
}

/** A scene as the library has it. */
export interface Loaded {
  readonly repository: PolicyRepository;
  readonly byParty: ReadonlyMap<Party, Identity>;
  /** Everybody's, once each. */
  readonly identities: readonly Identity[];
}

/** The resources of documents that must all be accepted. */
export function parse(documents: readonly Json[]): PolicyResource[] {
  return documents.flatMap((document) => {
    const { resources, issues } = parsePolicies(JSON.stringify(document), { file: `${document.metadata.name}.json` });
    const errors = issues.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new Error(`refused: ${errors.map(formatIssue).join('\n')}\n${JSON.stringify(document)}`);
    return [...resources];
  });
}

export function load({ documents, parties, tables, options }: Scene): Loaded {
  const repository = createPolicyRepository();
  repository.replaceAll(parse(documents));
  fillDirectory(repository.directory, tables);
  const selectors = repository.fqdnSelectors().map((selector) => ({ selector, key: fqdnLabelKey(selector) }));
  const byParty = new Map(parties.map((party) => [party, identityOf(party, repository, { tables, options, selectors })]));
  const identities = [...new Map([...byParty.values()].map((identity) => [identity.id, identity])).values()];
  for (const identity of identities) {
    const own = [...byParty].filter(([, { id }]) => id === identity.id).map(([party]) => party);
    repository.directory.setNamedPorts(identity.id, own.flatMap(({ ports = [] }) => [...ports]));
    const addresses = own.filter(({ where }) => where === 'inside').flatMap((party) => party.addresses);
    repository.directory.setAddresses(identity.id, addresses.map((text) => parseIp(text)!));
  }
  return { repository, byParty, identities };
}

/** Tells a directory of services and groups. */
export function fillDirectory(directory: PolicyDirectory, { services, groups }: Tables): void {
  const prefix = (text: string) => parseCidr(text)!;
  for (const service of services) directory.setService({ ...service, addresses: (service.addresses ?? []).map(prefix) });
  for (const { group, prefixes } of groups) directory.setGroup(groupText(group), prefixes.map(prefix));
}

const groupTexts = new Map<string, string>();

/** The text by which the library knows a provider's group: what it makes of a policy with that group alone. */
export function groupText(group: unknown): string {
  const known = groupTexts.get(JSON.stringify(group));
  if (known !== undefined) return known;
  const spec = { endpointSelector: {}, egress: [{ toGroups: [group] }] };
  const [resource] = parse([{ apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata: { name: 'group' }, spec }]);
  const peers: readonly Peer[] = resource!.rules.flatMap((rule) => (rule.peers.kind === 'peers' ? rule.peers.peers : []));
  const [found] = peers.flatMap((peer) => (peer.kind === 'group' ? [peer.group] : []));
  groupTexts.set(JSON.stringify(group), found!);
  return found!;
}
