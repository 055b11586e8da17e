import { cidrContains, hostCidr, parseCidr, parseIp } from '@cilium-ts/core';
import type { Cidr } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { RESERVED, cidrLabels, labelSet, workloadLabels, worldLabel } from '@cilium-ts/identity';
import type { ExplainRequest, L7Request, PolicyDirectory, PolicyRepository } from '../../src/index.ts';
import {
  DEFAULT_POLICY_OPTIONS as options,
  compilePolicy,
  createPolicyDirectory,
  createPolicyRepository,
  explain,
  fqdnLabelKey,
  lookupRow,
  matchesFqdn,
  parsePolicies,
  parseProtocol,
  rowForPeer,
} from '../../src/index.ts';
import { identity, reserved } from './identities.ts';

type Party =
  | { namespace: string; labels: Record<string, string>; namespaceLabels?: Record<string, string>; ports?: Record<string, string> }
  | { address: string; names?: string[] }
  | { reserved: string };

export interface Recipe {
  readonly name: string;
  readonly policies: string;
  readonly services?: { namespace: string; name: string; labels?: Record<string, string>; selector?: Record<string, string>; addresses?: string[] }[];
  /** `client > server 80/TCP REQUEST` to `allowed` or `denied`. */
  readonly verdicts: Readonly<Record<string, 'allowed' | 'denied'>>;
}

export interface RecipeFile {
  readonly scene: Readonly<Record<string, Party>>;
  readonly recipes: readonly Recipe[];
}

/** A recipe's policies over the scene of its file. */
export function createRecipe(scene: RecipeFile['scene'], recipe: Recipe): { decide(question: string): string } {
  const directory = createPolicyDirectory();
  for (const { addresses = [], ...service } of recipe.services ?? []) {
    directory.setService({ ...service, ...(addresses.length > 0 && { addresses: addresses.map((text) => parseIp(text)!) }) });
  }
  const repository = createPolicyRepository({ directory });
  repository.replaceAll(parsePolicies(recipe.policies).resources);
  const identities = new Map(Object.entries(scene).map(([name, party], index) => [name, identityOf(party, index, repository)]));
  for (const [name, party] of Object.entries(scene)) nameports(directory, identities.get(name)!, party);
  return { decide: (question) => decide(question, identities, repository) };
}

function identityOf(party: Party, index: number, repository: PolicyRepository): Identity {
  // The API server on another node of the cluster.
  if ('reserved' in party && party.reserved === 'kube-apiserver') return identity(RESERVED.kubeApiserver, labelSet(['reserved:kube-apiserver', 'reserved:remote-node']));
  if ('reserved' in party) return reserved(party.reserved);
  if ('address' in party) return identity(16777216 + index, addressLabels(party, repository));
  const labels = Object.entries(party.labels).map(([key, value]) => `${key}=${value}`);
  const namespace = Object.entries({ 'kubernetes.io/metadata.name': party.namespace, ...party.namespaceLabels });
  const inherited = namespace.map(([key, value]) => `k8s:io.cilium.k8s.namespace.labels.${key}=${value}`);
  return identity(256 + index, labelSet([...workloadLabels(labels, { namespace: party.namespace, clusterName: 'default' }).toStrings(), ...inherited]));
}

/** What an ipcache makes of an address, given the prefixes and names of the policies. */
function addressLabels({ address, names = [] }: { address: string; names?: string[] }, repository: PolicyRepository) {
  const host = hostCidr(parseIp(address)!);
  const covering = repository.prefixes().filter((prefix: Cidr) => cidrContains(prefix, host));
  const chosen = repository.fqdnSelectors().filter((selector) => names.some((name) => matchesFqdn(selector, name)));
  const prefixLabels = covering.flatMap((prefix) => [...cidrLabels(parseCidr(prefix.text)!, options)]);
  const fqdnLabels = chosen.map((selector) => ({ source: 'fqdn', key: fqdnLabelKey(selector), value: '' }));
  return labelSet([worldLabel(host.family, options), ...prefixLabels, ...fqdnLabels]);
}

function nameports(directory: PolicyDirectory, { id }: Identity, party: Party): void {
  if (!('ports' in party) || party.ports === undefined) return;
  const ports = Object.entries(party.ports).map(([name, text]) => {
    const [port, protocol] = text.split('/') as [string, string];
    return { name, port: Number(port), protocol: parseProtocol(protocol)! };
  });
  directory.setNamedPorts(id, ports);
}

const QUESTION = /^(\S+) > (\S+) (\d+)\/(\w+)(?: (.+))?$/;

/** The verdict of explain, once compiled rows have been found to agree with it as far as they go. */
function decide(question: string, identities: ReadonlyMap<string, Identity>, repository: PolicyRepository): string {
  const [, client, server, port, protocol, request] = QUESTION.exec(question) ?? [];
  const from = identities.get(client ?? '');
  const to = identities.get(server ?? '');
  if (from === undefined || to === undefined) throw new Error(`cannot read ${JSON.stringify(question)}`);
  const asked: ExplainRequest = { repository, from, to, protocol: parseProtocol(protocol!)!, port: Number(port), options, ...requestOf(request) };
  const explained = explain(asked);
  for (const direction of ['egress', 'ingress'] as const) {
    const [subject, peer] = direction === 'egress' ? [from, to] : [to, from];
    if (explained[direction].reason === 'no-endpoint') continue;
    const compiled = compilePolicy({ repository, subject, identities: identities.values(), options })[direction];
    const { action, ruleSet } = lookupRow(rowForPeer(compiled, peer.id), asked.protocol, asked.port!);
    const { action: expected, redirect } = explained[direction];
    if (action !== expected || (ruleSet === undefined) !== (redirect === undefined)) {
      throw new Error(`${direction}: compiled ${action} ${ruleSet?.parser ?? ''}, explained ${expected} ${redirect?.parser ?? ''}`);
    }
  }
  return explained.verdict;
}

const KAFKA_KEYS: Readonly<Record<string, number>> = { produce: 0, fetch: 1, metadata: 3 };

function requestOf(text: string | undefined): { l7?: L7Request; serverName?: string } {
  if (text === undefined) return {};
  const [verb, subject = '', ...rest] = text.split(' ') as [string, ...string[]];
  if (verb === 'query') return { l7: { dns: { name: subject } } };
  if (verb === 'sni') return { serverName: subject };
  if (verb in KAFKA_KEYS) return { l7: { kafka: { apiKey: KAFKA_KEYS[verb]!, apiVersion: 1, topics: [subject] } } };
  if (verb === verb.toUpperCase()) {
    const [name, value] = rest.join(' ').split(': ');
    return { l7: { http: { method: verb, path: subject, ...(value !== undefined && { headers: { [name!]: value } }) } } };
  }
  return { l7: { generic: { parser: verb, fields: Object.fromEntries([subject, ...rest].map((field) => field.split('=') as [string, string])) } } };
}
