import { parseCidr } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { selector, selectorFromLabelSelector } from '@cilium-ts/identity';
import type { NamedPort, Peer, PolicyDirectory, PolicyOptions, PolicyResource, PortTerm, ProxyRules, Rule, RowVerdict, Tier } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, compilePolicy, createPolicyDirectory, createPolicyRepository, lookupRow, rowForPeer } from '../../src/index.ts';

const at = { line: 1, column: 1, field: '' };

/** Peers with this label. */
export const app = (value: string): Peer => ({ kind: 'labels', requirements: [{ source: 'k8s', key: 'app', operator: 'In', values: [value] }], localClusterByDefault: false, at });
export const everybody: Peer = { kind: 'entity', entity: 'all', at };
export const prefix = (text: string, ...except: string[]): Peer => ({ kind: 'cidr', prefix: parseCidr(text)!, except: except.map((one) => parseCidr(one)!), at });

/** `80`, `80-90`, `*` (the protocol), `http` (a name). */
export function port(text: string | number, proxy?: Omit<ProxyRules, 'at'>, protocol = 6): PortTerm {
  const rules = proxyOf(proxy);
  const [first, last] = text === '*' ? [0, 65535] : String(text).split('-').map(Number);
  if (Number.isNaN(first)) return { protocol, first: 0, last: 0, name: String(text), at, ...rules };
  return { protocol, first: first!, last: last ?? first!, at, ...rules };
}

const known = new WeakMap<object, ProxyRules>();
function proxyOf(proxy: Omit<ProxyRules, 'at'> | undefined): { proxy?: ProxyRules } {
  if (proxy === undefined) return {};
  let rules = known.get(proxy);
  if (rules === undefined) known.set(proxy, (rules = { ...proxy, at }));
  return { proxy: rules };
}

export const http = (...paths: string[]): Omit<ProxyRules, 'at'> => ({ l7: { kind: 'http', rules: paths.map((path) => ({ path })) } });

/** What a test says of a rule; the rest is as in a plain permission of ingress for everybody, everywhere. */
export interface RuleText {
  direction?: 'ingress' | 'egress';
  action?: Rule['action'];
  tier?: Tier;
  priority?: number;
  index?: number;
  subject?: Record<string, string>;
  /** About the node itself, instead of a subject. */
  node?: boolean;
  peers?: Peer[] | 'any';
  ports?: PortTerm[];
  defaultDeny?: boolean;
  log?: string;
  authentication?: Rule['authentication'];
}

export function resource(name: string, ...rules: RuleText[]): PolicyResource {
  const key = `CiliumNetworkPolicy/shop/${name}`;
  return { kind: 'CiliumNetworkPolicy', namespace: 'shop', name, key, document: {}, rules: rules.map((text, index) => ruleOf(key, text, index)) };
}

function ruleOf(key: string, text: RuleText, index: number): Rule {
  const { direction = 'ingress', action = 'allow', tier = 'normal', subject = { app: 'db' }, peers = 'any', ports, defaultDeny = tier === 'normal', log, authentication } = text;
  return {
    resource: key,
    direction,
    action,
    tier,
    ...(tier !== 'normal' && { order: { priority: text.priority ?? 0, index: text.index ?? index } }),
    subject: text.node ? selector([{ source: 'reserved', key: 'host', operator: 'Exists', values: [] }]) : selectorFromLabelSelector({ matchLabels: subject }, { defaultSource: 'any' }),
    defaultDeny,
    peers: peers === 'any' ? { kind: 'any' } : { kind: 'peers', peers },
    ports: ports === undefined ? { kind: 'all' } : { kind: 'ports', ports },
    at: { ...at, field: `rules[${index}]` },
    ...(log !== undefined && { log }),
    ...(authentication !== undefined && { authentication }),
  };
}

/** A repository of resources, and verdicts of what compiles of it. */
export function compiled(resources: PolicyResource[], given: { options?: Partial<PolicyOptions>; directory?: PolicyDirectory; identities?: readonly Identity[]; namedPorts?: readonly NamedPort[] } = {}) {
  const repository = createPolicyRepository({ directory: given.directory ?? createPolicyDirectory() });
  repository.replaceAll(resources);
  const options = { ...DEFAULT_POLICY_OPTIONS, ...given.options };
  const policy = (subject: Identity, peer: Identity) =>
    compilePolicy({ repository, subject, identities: [...(given.identities ?? []), subject, peer], options, ...(given.namedPorts && { namedPorts: given.namedPorts }) });
  const verdict = (direction: 'ingress' | 'egress', subject: Identity, peer: Identity, number = 80): RowVerdict =>
    lookupRow(rowForPeer(policy(subject, peer)[direction], peer.id), 6, number);
  return { repository, policy, verdict, options };
}
