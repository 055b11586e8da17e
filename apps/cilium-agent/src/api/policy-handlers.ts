import type { Issue, PolicyChange, PolicyService, TraceCandidate, TraceDirection, TraceL7, TracePeer, TraceRule } from '@cilium-ts/agent-api';
import type { IpAddress } from '@cilium-ts/core';
import { parseIp } from '@cilium-ts/core';
import { RESERVED, selectorMatches } from '@cilium-ts/identity';
import type { Identity } from '@cilium-ts/identity';
import { PolicyModelError, explainAll, parseProtocol, resolvePeerReference, resourceKey } from '@cilium-ts/policy-model';
import type { Candidate, DirectionExplanation, ExplainAllRequest, L7Request, PolicyIssue, RuleReference, ServiceEntry } from '@cilium-ts/policy-model';
import type { AgentState } from '../agent-state.ts';
import { endpointLabels } from '../endpoint/labels.ts';
import { AgentError } from '../error.ts';
import type { Handlers } from './handler.ts';

const issueView = ({ severity, message, remedy, file, line, column, resource, field }: PolicyIssue): Issue => ({
  severity, message, remedy, line, column, field, ...(file !== undefined && { file }), ...(resource !== undefined && { resource }),
});

/** Waits until a change is in force, and says where it is not. */
const commitChange = async (state: AgentState, change: { readonly resources: readonly string[]; readonly issues: readonly PolicyIssue[] }): Promise<PolicyChange> => {
  const { revision, failures } = await state.writer.commit();
  state.announce('policy-updated', `policy revision ${revision}: ${change.resources.join(', ')}`);
  return {
    revision,
    resources: [...change.resources],
    issues: change.issues.map(issueView),
    failures: [...failures].map(([id, { reason, message }]) => ({ 'endpoint-id': id, reason, message })),
  };
};

/** The identity that a traced end has. */
export const tracePeer = (state: AgentState, peer: Exclude<TracePeer, { service: string } | { name: string }>): Identity => {
  if ('endpoint' in peer) return state.endpoints.find(String(peer.endpoint)).identity;
  if ('identity' in peer) return state.identityOf(peer.identity);
  if ('labels' in peer) {
    const reserved = peer.labels.length === 1 && peer.labels[0]!.startsWith('reserved:') ? state.reserved.all().find(({ labels }) => labels.toStrings()[0] === peer.labels[0]) : undefined;
    if (reserved) return reserved;
    const { relevant } = endpointLabels(peer.labels, { namespace: undefined, clusterName: state.config.values['cluster-name'], filter: state.filter });
    return state.identities.lookup(relevant) ?? { id: RESERVED.unknown, labels: relevant };
  }
  const ip = parseIp(peer.ip);
  if (!ip) throw new AgentError('invalid', `trace policy: ${JSON.stringify(peer.ip)} is no address`);
  return state.endpoints.byAddress(ip.text)?.identity ?? state.ipcache.lookup(ip);
};

const ruleView = ({ column: _, labels, ...rule }: RuleReference): TraceRule => ({ ...rule, ...(labels !== undefined && { labels: [...labels] }) });

const candidateView = ({ rule, outcome, detail, effect, shadow, l7 }: Candidate): TraceCandidate => ({
  rule: ruleView(rule), outcome, detail,
  ...(effect !== undefined && { effect }),
  ...(shadow !== undefined && { shadow: { why: shadow.why, ...(shadow.by !== undefined && { by: ruleView(shadow.by) }) } }),
  ...(l7 !== undefined && { l7: { parser: l7.parser, detail: l7.detail, ...(l7.matches !== undefined && { matches: l7.matches }), ...(l7.index !== undefined && { index: l7.index }) } }),
});

const directionView = ({ verdict, enforced, reason, deciding, redirect, defaultDeny, log, candidates }: DirectionExplanation): TraceDirection => ({
  verdict, enforced, reason,
  ...(deciding !== undefined && { rule: ruleView(deciding) }),
  ...(redirect !== undefined && { redirect: { parser: redirect.parser, ...(redirect.passes !== undefined && { passes: redirect.passes }), ...(redirect.serverNames !== undefined && { 'server-names': [...redirect.serverNames] }) } }),
  ...(defaultDeny !== undefined && { 'default-deny': { why: defaultDeny.why, rules: defaultDeny.rules.map(ruleView) } }),
  log: [...log],
  candidates: candidates.map(candidateView),
});

const identityView = ({ id, labels }: Identity) => ({ identity: id, labels: labels.toStrings() });

/** Selectors of rules, each with the identities it stands for now. */
const selectors = (state: AgentState) => {
  const users = new Map<string, { count: number; matches: (identity: Identity) => boolean }>();
  for (const { rules } of state.policies.repository.all()) {
    for (const { subject } of rules) {
      const entry = users.get(subject.text) ?? { count: 0, matches: ({ labels }: Identity) => selectorMatches(subject, labels) };
      entry.count++;
      users.set(subject.text, entry);
    }
  }
  const identities = state.allIdentities();
  return [...users].map(([selector, { count, matches }]) => ({ selector, users: count, identities: identities.filter(matches).map(({ id }) => id as number) }));
};

const serviceView = ({ namespace, name, labels, selector, prefixes }: ServiceEntry): PolicyService => ({
  namespace, name, labels: Object.fromEntries([...labels].map(({ key, value }) => [key, value])), ...(selector !== undefined && { selector: { ...selector } }), addresses: prefixes.map(({ text }) => text),
});

/** What the question says besides its ends. */
const traceDetails = (body: Parameters<PolicyHandlers['tracePolicy']>[0]['body']): Pick<ExplainAllRequest, 'port' | 'portName' | 'icmpType' | 'serverName' | 'l7'> => ({
  ...(body.port !== undefined && { port: body.port }),
  ...(body['port-name'] !== undefined && { portName: body['port-name'] }),
  ...(body['icmp-type'] !== undefined && { icmpType: body['icmp-type'] }),
  ...(body['server-name'] !== undefined && { serverName: body['server-name'] }),
  ...(body.l7 !== undefined && { l7: requestOf(body.l7) }),
});

const requestOf = (l7: TraceL7): L7Request => {
  if ('dns' in l7 || 'generic' in l7) return l7;
  if ('http' in l7) {
    const { method, path, host, headers } = l7.http;
    return { http: { method, path, ...(host !== undefined && { host }), ...(headers !== undefined && { headers }) } };
  }
  const { 'api-key': apiKey, 'api-version': apiVersion, 'client-id': clientId, topics } = l7.kafka;
  return { kafka: { apiKey, ...(apiVersion !== undefined && { apiVersion }), ...(clientId !== undefined && { clientId }), ...(topics !== undefined && { topics }) } };
};

/** What the model finds wrong with a question is the asker's fault. */
const refusing = <T>(ask: () => T): T => {
  try {
    return ask();
  } catch (error) {
    if (error instanceof RangeError || (error instanceof PolicyModelError && error.code === 'unknown-peer')) throw new AgentError('invalid', `trace policy: ${error.message}`, { cause: error });
    throw error;
  }
};

/** The identities that a traced end has: several behind a service or a name. */
export const traceIdentities = (state: AgentState, peer: TracePeer): readonly Identity[] => {
  if (!('service' in peer) && !('name' in peer)) return [tracePeer(state, peer)];
  const lookup = (address: IpAddress): Identity => state.endpoints.byAddress(address.text)?.identity ?? state.ipcache.lookup(address);
  return refusing(() => resolvePeerReference(peer, { repository: state.policies.repository, identities: state.allIdentities(), lookup, options: state.policyOptions() })).identities;
};

type PolicyHandlers = Pick<Handlers, 'getPolicy' | 'putPolicy' | 'deletePolicy' | 'listSelectors' | 'listPolicyServices' | 'tracePolicy'>;

/** Serves what is below `/policy`. */
export const createPolicyHandlers = (state: AgentState): PolicyHandlers => ({
  getPolicy() {
    const files = state.policies.files();
    const { repository } = state.policies;
    const realized = [...state.endpoints].filter(({ installed }) => installed).map(({ realizedRevision }) => realizedRevision);
    const held = [
      ...files.flatMap(({ name, status, resources }) => resources.map((resource) => ({ resource, source: 'file' as const, file: name, status: status === 'accepted' ? ('accepted' as const) : ('outdated' as const) }))),
      ...state.policies.imports().map(({ file, resource }) => ({ resource, source: 'api' as const, file, status: 'accepted' as const })),
    ];
    return {
      revision: repository.revision,
      'realized-revision': Math.min(repository.revision, ...realized),
      policy: JSON.stringify(held.map(({ resource }) => resource.document), undefined, 2),
      resources: held.map(({ resource, ...rest }) => ({ ...rest, kind: resource.kind, name: resource.name, key: resource.key, document: resource.document, ...(resource.namespace !== undefined && { namespace: resource.namespace }) })),
      files: files.map(({ name, status, issues }) => ({ path: `${state.config.values['policy-dir']}/${name}`, status, issues: issues.map(issueView) })),
    };
  },
  async putPolicy({ body, query }) {
    const change = await state.policies.import(body, query.file ?? '');
    return commitChange(state, change);
  },
  async deletePolicy({ query }) {
    const { kind, name } = query;
    const namespaced = kind === 'CiliumNetworkPolicy' || kind === 'NetworkPolicy';
    const namespace = namespaced ? (query.namespace ?? 'default') : undefined;
    const key = resourceKey(kind, namespace, name);
    await state.policies.delete(key);
    return commitChange(state, { resources: [key], issues: [] });
  },
  listSelectors: () => selectors(state),
  listPolicyServices: () => state.policies.repository.directory.allServices().map(serviceView),
  tracePolicy({ body }) {
    const from = traceIdentities(state, body.from);
    const to = traceIdentities(state, body.to);
    const protocol = parseProtocol(body.protocol);
    if (protocol === undefined) throw new AgentError('invalid', `trace policy: there is no protocol ${body.protocol}`);
    const answer = refusing(() => explainAll({ repository: state.policies.repository, from, to, protocol, options: state.policyOptions(), ...traceDetails(body) }));
    const { telling, text } = answer;
    return { verdict: answer.verdict, from: identityView(telling.from), to: identityView(telling.to), egress: directionView(telling.egress), ingress: directionView(telling.ingress), text };
  },
});
