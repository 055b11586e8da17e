import type { Issue, PolicyChange, TracePeer } from '@cilium-ts/agent-api';
import { parseIp } from '@cilium-ts/core';
import { RESERVED, selectorMatches } from '@cilium-ts/identity';
import type { Identity } from '@cilium-ts/identity';
import { explain, parseProtocol, resourceKey } from '@cilium-ts/policy-model';
import type { DirectionExplanation, PolicyIssue } from '@cilium-ts/policy-model';
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
export const tracePeer = (state: AgentState, peer: TracePeer): Identity => {
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

const directionView = ({ verdict, enforced, reason, deciding }: DirectionExplanation) => ({
  verdict, enforced, reason,
  ...(deciding && { rule: { resource: deciding.resource, line: deciding.line, field: deciding.field, ...(deciding.file !== undefined && { file: deciding.file }) } }),
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

type PolicyHandlers = Pick<Handlers, 'getPolicy' | 'putPolicy' | 'deletePolicy' | 'listSelectors' | 'tracePolicy'>;

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
  tracePolicy({ body }) {
    const from = tracePeer(state, body.from);
    const to = tracePeer(state, body.to);
    const protocol = parseProtocol(body.protocol);
    if (protocol === undefined) throw new AgentError('invalid', `trace policy: there is no protocol ${body.protocol}`);
    const { verdict, egress, ingress, text } = explain({
      repository: state.policies.repository, from, to, protocol, options: state.policyOptions(),
      ...(body.port !== undefined && { port: body.port }),
      ...(body['icmp-type'] !== undefined && { icmpType: body['icmp-type'] }),
    });
    return { verdict, from: identityView(from), to: identityView(to), egress: directionView(egress), ingress: directionView(ingress), text };
  },
});
