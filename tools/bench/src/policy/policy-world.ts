import { parseCidr, type Cidr } from '@cilium-ts/core';
import { cidrLabels, labelSet, numericIdentity, reservedIdentities, selectorFromLabelSelector, type Identity } from '@cilium-ts/identity';
import type { NamedPort, Peer, PolicyDirectory, PolicyResource, PortTerm, ProxyRules, Rule, Tier } from '@cilium-ts/policy-model';

/** A cluster's policies and identities as a node sees them. */
export interface PolicyWorld {
  readonly policies: readonly PolicyResource[];
  readonly identities: readonly Identity[];
  /** Identities of the node's own endpoints. */
  readonly local: readonly Identity[];
  /** Fills in services and named ports. */
  readonly describe: (directory: PolicyDirectory) => void;
  /** The policy at that place with other ports: what an edit makes of it. */
  readonly edited: (place: number, edit: number) => PolicyResource;
  /** An identity that was not there before. */
  readonly newcomer: (number: number) => Identity;
}

/** How large a world is; the parts of it keep their proportions. */
export interface WorldSize {
  readonly policies: number;
  readonly identities: number;
  readonly local: number;
}

const NAMESPACES = 100;
const TIERS = 5;
const TEAMS = 20;
const at = { file: 'world.yaml', line: 1, column: 1, field: 'spec' };
const FAMILIES = { ipv4: true, ipv6: true };

/** Always the same world for the same size: choices come from a generator with a fixed seed. */
export function policyWorld({ policies, identities, local }: WorldSize): PolicyWorld {
  const outside = Array.from({ length: Math.floor(identities * 0.15) }, (_, i) => outsideIdentity(i));
  const reserved = reservedIdentities(FAMILIES);
  const pods = Array.from({ length: identities - outside.length - reserved.length }, (_, i) => podIdentity(i));
  const step = Math.floor(pods.length / local);
  return {
    policies: Array.from({ length: policies }, (_, i) => policy(i, 0)),
    identities: [...reserved, ...pods, ...outside],
    local: Array.from({ length: local }, (_, i) => pods[i * step]!),
    describe: (directory) => describeWorld(directory, pods),
    edited: policy,
    newcomer: (number) => podIdentity(pods.length + number),
  };
}

function podLabels(i: number): Record<string, string> {
  const app = Math.floor(i / NAMESPACES / 3);
  return { app: `app-${app}`, version: `v${Math.floor(i / NAMESPACES) % 3}`, tier: `tier-${app % TIERS}`, team: `team-${(i * 7) % TEAMS}` };
}

const namespaceOf = (i: number): string => `ns-${i % NAMESPACES}`;

function podIdentity(i: number): Identity {
  const namespace = namespaceOf(i);
  const labels = Object.entries(podLabels(i)).map(([key, value]) => `k8s:${key}=${value}`);
  const place = [`k8s:io.kubernetes.pod.namespace=${namespace}`, `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`, 'k8s:io.cilium.k8s.policy.cluster=default'];
  return { id: numericIdentity(1000 + i), labels: labelSet([...labels, ...place]) };
}

/** Prefixes inside one another, and every tenth with a name of the DNS. */
function outsidePrefix(i: number): Cidr {
  const length = [16, 20, 24, 28, 32][i % 5]!;
  return parseCidr(`${20 + (i % 7)}.${(i >> 3) % 256}.${(i * 16) % 256}.${(i * 7) % 256}/${length}`)!;
}

function outsideIdentity(i: number): Identity {
  const labels = [...cidrLabels(outsidePrefix(i), FAMILIES)];
  const named = i % 10 === 0 ? labelSet([...labels, { source: 'fqdn', key: `host-${i % 50}.example.com.`, value: '' }]) : labelSet(labels);
  return { id: numericIdentity(16_777_217 + i), labels: named };
}

function describeWorld(directory: PolicyDirectory, pods: readonly Identity[]): void {
  for (let i = 0; i < 200; i++) directory.setService({ namespace: namespaceOf(i), name: `service-${i}`, selector: { app: `app-${i % 10}` } });
  const ports: readonly NamedPort[] = [{ name: 'web', protocol: 6, port: 8080 }];
  for (let i = 0; i < pods.length; i += 20) directory.setNamedPorts(pods[i]!.id, ports);
}

/** A small generator of numbers (Park and Miller), so that worlds do not differ from run to run. */
function numbers(seed: number): (below: number) => number {
  let state = (seed * 48_271 + 11) % 2_147_483_647;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

type Below = (below: number) => number;

const labelsPeer = (matchLabels: Record<string, string>): Peer => ({ kind: 'labels', requirements: selectorFromLabelSelector({ matchLabels }, { defaultSource: 'any' }).requirements, localClusterByDefault: true, at });
const inNamespace = (namespace: string): Record<string, string> => ({ 'k8s:io.kubernetes.pod.namespace': namespace });

/** What a rule of a policy chooses; the kinds stand in the proportion in which the numbers of `kind` do. */
function peersOf(namespace: string, below: Below): readonly Peer[] {
  const kind = below(20);
  if (kind < 8) return Array.from({ length: 1 + below(3) }, () => labelsPeer({ app: `app-${below(30)}`, ...inNamespace(namespace) }));
  if (kind < 11) return [labelsPeer({ tier: `tier-${below(TIERS)}`, ...inNamespace(namespace) })];
  if (kind < 13) return [labelsPeer(inNamespace(namespaceOf(below(NAMESPACES))))];
  if (kind < 14) return [labelsPeer({ team: `team-${below(TEAMS)}` })];
  if (kind < 15) return [{ kind: 'entity', entity: (['world', 'host', 'remote-node', 'cluster'] as const)[below(4)]!, at }];
  if (kind < 18) return Array.from({ length: 1 + below(8) }, (): Peer => ({ kind: 'cidr', prefix: outsidePrefix(below(1500)), except: [], at }));
  if (kind < 19) return [{ kind: 'fqdn', selector: { name: `host-${below(50)}.example.com.` }, at }];
  return [{ kind: 'service', service: { namespace, name: `service-${below(200)}` }, at }];
}

function portsOf(below: Below, edit: number, proxies: boolean): Rule['ports'] {
  const kind = below(10);
  const first = 1 + below(30_000) + edit;
  if (kind < 2) return { kind: 'all' };
  if (kind < 3) return { kind: 'ports', ports: [{ protocol: 6, first, last: first + 100, at }] };
  if (kind < 4) return { kind: 'ports', ports: [{ protocol: 6, first: 0, last: 0, name: 'web', at }] };
  const proxy: ProxyRules | undefined = proxies && kind < 6 ? { l7: { kind: 'http', rules: [{ method: 'GET', path: `/v${edit}/${below(20)}/.*` }] }, at } : undefined;
  return { kind: 'ports', ports: Array.from({ length: 1 + below(3) }, (_, i): PortTerm => ({ protocol: i === 2 ? 17 : 6, first: first + i, last: first + i, ...(proxy && i < 2 && { proxy }), at })) };
}

/** Of fifty policies one is for the whole cluster, and of hundred one each of the tiers admin and baseline. */
function policy(place: number, edit: number): PolicyResource {
  const below = numbers(place + 1);
  const tier: Tier = place % 100 === 7 ? 'admin' : place % 100 === 57 ? 'baseline' : 'normal';
  const clusterwide = place % 50 === 3 || tier !== 'normal';
  const namespace = namespaceOf(place);
  const kind = tier === 'normal' ? (clusterwide ? 'CiliumClusterwideNetworkPolicy' : 'CiliumNetworkPolicy') : 'ClusterNetworkPolicy';
  const key = `${kind}/${clusterwide ? '' : namespace}/policy-${place}`;
  const subject = clusterwide ? { tier: `tier-${below(TIERS)}` } : { ...(below(2) === 0 && { app: `app-${below(30)}` }), ...inNamespace(namespace) };
  const rules = Array.from({ length: 2 + below(3) }, (_, index): Rule => ({
    resource: key,
    direction: below(2) === 0 ? 'ingress' : 'egress',
    action: below(12) === 0 ? 'deny' : tier === 'admin' && below(2) === 0 ? 'pass' : 'allow',
    subject: selectorFromLabelSelector({ matchLabels: subject }, { defaultSource: 'any' }),
    defaultDeny: tier === 'normal',
    tier,
    ...(tier !== 'normal' && { order: { priority: place % 1000, index } }),
    peers: { kind: 'peers', peers: peersOf(namespace, below) },
    ports: portsOf(below, edit, place % 10 === 0),
    at,
  }));
  return { kind, namespace: clusterwide ? undefined : namespace, name: `policy-${place}`, key, document: {}, rules };
}
