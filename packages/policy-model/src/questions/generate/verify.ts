import { hostCidr } from '@cilium-ts/core';
import type { Identity, LabelSet } from '@cilium-ts/identity';
import { cidrLabels, labelSet, makeLabel, numericIdentity } from '@cilium-ts/identity';
import { explain } from '../../explain/explain.ts';
import type { L7Request } from '../../l7/request.ts';
import { DEFAULT_POLICY_OPTIONS } from '../../model/options.ts';
import type { PolicyResource } from '../../model/resource.ts';
import { createPolicyRepository } from '../../repository.ts';
import type { FlowEnd, FlowRecord } from '../flow-record.ts';
import type { KnownIdentity } from '../identities.ts';

/** What flows are held against policies with. */
export interface VerifyContext {
  readonly identities: readonly KnownIdentity[];
  readonly clusterName: string;
  /** Whether requests count. */
  readonly l7: boolean;
}

/** The flows that the policies deny. */
export function verify(flows: readonly FlowRecord[], resources: readonly PolicyResource[], context: VerifyContext): FlowRecord[] {
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  const options = { ...DEFAULT_POLICY_OPTIONS, clusterName: context.clusterName };
  const end = createEnds(context.identities);
  const known = new Map<string, boolean>();
  return flows.filter((flow) => {
    const [from, to] = [end(flow.from, []), end(flow.to, flow.to.names ?? [])];
    if (from === undefined || to === undefined) return true;
    const l7 = context.l7 ? requestOf(flow) : undefined;
    const key = JSON.stringify([from.labels.text, to.labels.text, flow.protocol, flow.port, l7]);
    let denied = known.get(key);
    if (denied === undefined) {
      const request = { repository, from, to, protocol: flow.protocol, port: flow.port, options, ...(l7 === undefined ? {} : { l7 }) };
      denied = explain(request).verdict === 'denied';
      known.set(key, denied);
    }
    return denied;
  });
}

function requestOf({ request }: FlowRecord): L7Request | undefined {
  if (request?.kind === 'dns') return { dns: { name: request.name } };
  if (request?.kind !== 'http') return undefined;
  const { method, path, host } = request;
  return { http: { method, path, ...(host === undefined ? {} : { host }) } };
}

/** Ends of flows as identities: with the labels that the ipcache gives to an address and the names that led to it. */
function createEnds(identities: readonly KnownIdentity[]): (end: FlowEnd, names: readonly string[]) => Identity | undefined {
  const byId = new Map(identities.map((identity) => [identity.id as number, identity]));
  const byAddress = new Map(identities.flatMap((identity) => (identity.addresses ?? []).map(({ text }) => [text, identity] as const)));
  return (end, names) => {
    const known = end.labels !== undefined ? undefined : ((end.identity === undefined ? undefined : byId.get(end.identity)) ?? (end.address === undefined ? undefined : byAddress.get(end.address.text)));
    const labels = end.labels ?? known?.labels;
    if (labels !== undefined && !isWorld(labels)) return { id: numericIdentity(known?.id ?? end.identity ?? 0), labels };
    const own = end.address === undefined ? (labels ?? labelSet([])) : cidrLabels(hostCidr(end.address), DEFAULT_POLICY_OPTIONS);
    const all = [...(labels ?? []), ...own, ...names.map((name) => makeLabel('fqdn', name))];
    return all.length === 0 ? undefined : { id: numericIdentity(16_777_217), labels: labelSet(all) };
  };
}

const isWorld = (labels: LabelSet): boolean => ['world', 'world-ipv4', 'world-ipv6'].some((name) => labels.has('reserved', name)) || labels.prefixes.length > 0;
