import type { Endpoint as EndpointModel } from '@cilium-ts/agent-api';
import { parseCidr, cidrContains } from '@cilium-ts/core';
import { parseLabel, selector, selectorMatches } from '@cilium-ts/identity';
import type { Identity, Selector } from '@cilium-ts/identity';
import type { AgentState } from '../agent-state.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { endpointHealth, endpointView, labelConfiguration } from '../endpoint/endpoint-view.ts';
import { AgentError } from '../error.ts';
import type { Handlers } from './handler.ts';

const identityView = ({ id, labels }: Identity) => ({ id: id as number, labels: labels.toStrings() });

/** A selector that asks for every label of a comma-separated list; a label without source matches any. */
const labelsQuery = (text: string | undefined): Selector => {
  const labels = (text ?? '').split(',').filter((part) => part !== '');
  try {
    return selector(labels.map((label) => {
      const { source, key, value } = parseLabel(label);
      return { source: source === 'unspec' ? 'any' : source, key, operator: label.includes('=') ? 'In' as const : 'Exists' as const, values: label.includes('=') ? [value] : [] };
    }));
  } catch (cause) {
    throw new AgentError('invalid', `read labels ${JSON.stringify(text)}: ${(cause as Error).message}`, { cause });
  }
};

const requestedId = (reference: string): number => {
  const id = Number(reference.replace(/^cilium-local:/, ''));
  if (!Number.isInteger(id) || id < 0 || id > 65_535) throw new AgentError('invalid', `create endpoint: ${JSON.stringify(reference)} is no endpoint number (1 to 65535, or 0 to have one chosen)`);
  return id;
};

type EndpointHandlers = Pick<Handlers, 'listEndpoints' | 'getEndpoint' | 'putEndpoint' | 'patchEndpoint' | 'deleteEndpoint' | 'getEndpointLabels' | 'patchEndpointLabels' | 'getEndpointLog' | 'getEndpointHealth'>;

/** Serves what is below `/endpoint`. */
export const createEndpointHandlers = (state: AgentState): EndpointHandlers => {
  const view = (endpoint: Endpoint): EndpointModel => endpointView(endpoint, { revision: state.policies.repository.revision, audit: state.runtime.audit });
  const find = (params: { readonly id: string }): Endpoint => state.endpoints.find(params.id);
  return {
    listEndpoints({ query }) {
      const wanted = labelsQuery(query.labels);
      return [...state.endpoints].filter(({ identity }) => selectorMatches(wanted, identity.labels)).sort((a, b) => a.id - b.id).map(view);
    },
    getEndpoint: ({ params }) => view(find(params)),
    async putEndpoint({ params, body }) {
      if (state.config.values.mode === 'lb-only') throw new AgentError('invalid', 'create endpoint: this agent is a load balancer alone (--mode=lb-only) and has no endpoints');
      if (!state.ready()) throw new AgentError('not-ready', 'create endpoint: the agent is still starting; try again in a moment');
      const wanted = requestedId(params.id);
      if (wanted !== 0 && body.id !== undefined && body.id !== 0 && body.id !== wanted) throw new AgentError('invalid', `create endpoint: the path says ${wanted} and the body says ${body.id}`);
      return view(await state.manager.create(body, wanted === 0 ? (body.id ?? 0) : wanted));
    },
    patchEndpoint: async ({ params, body }) => view(await state.manager.change(find(params).id, body)),
    deleteEndpoint: async ({ params }) => ({ errors: await state.manager.remove(find(params).id, 'deleted by request') }),
    getEndpointLabels: ({ params }) => labelConfiguration(find(params)),
    patchEndpointLabels: async ({ params, body }) => labelConfiguration(await state.manager.change(find(params).id, { labels: body.user })),
    getEndpointLog: ({ params }) => [...find(params).log],
    getEndpointHealth: ({ params }) => endpointHealth(find(params)),
  };
};

type IdentityHandlers = Pick<Handlers, 'listIdentities' | 'getIdentity' | 'listIdentityEndpoints' | 'listIps'>;

/** Serves `/identity` and `/ip`. */
export const createIdentityHandlers = (state: AgentState): IdentityHandlers => ({
  listIdentities({ query }) {
    const wanted = labelsQuery(query.labels);
    return state.allIdentities().filter(({ labels }) => selectorMatches(wanted, labels)).sort((a, b) => a.id - b.id).map(identityView);
  },
  getIdentity({ params }) {
    if (!/^\d+$/.test(params.id)) throw new AgentError('invalid', `find identity: ${JSON.stringify(params.id)} is no number`);
    return identityView(state.identityOf(Number(params.id)));
  },
  listIdentityEndpoints() {
    const counts = new Map<number, { identity: ReturnType<typeof identityView>; refCount: number }>();
    for (const { identity } of state.endpoints) {
      const entry = counts.get(identity.id) ?? { identity: identityView(identity), refCount: 0 };
      entry.refCount++;
      counts.set(identity.id, entry);
    }
    return [...counts.values()].sort((a, b) => a.identity.id - b.identity.id);
  },
  listIps({ query }) {
    const within = query.cidr === undefined ? undefined : parseCidr(query.cidr);
    if (query.cidr !== undefined && !within) throw new AgentError('invalid', `list addresses: ${JSON.stringify(query.cidr)} is no prefix`);
    const local = [...state.endpoints].flatMap(({ ipv4, ipv6, identity, record }) =>
      [ipv4, ipv6].flatMap((ip) => {
        const prefix = ip && parseCidr(ip.text);
        return prefix ? [{ prefix, identity: identity.id as number, metadata: { source: 'local', ...(record.podName !== undefined && { name: record.podName.slice(record.podName.indexOf('/') + 1), namespace: record.podName.slice(0, record.podName.indexOf('/')) }) } }] : [];
      }),
    );
    const others = [...state.ipcache.entries()].map(({ prefix, identity, source }) => ({ prefix, identity: identity.id as number, metadata: { source } }));
    return [...local, ...others].filter(({ prefix }) => !within || cidrContains(within, prefix)).map(({ prefix, ...rest }) => ({ cidr: prefix.text, ...rest }));
  },
});
