import { parseCidr } from '@cilium-ts/core';
import type { Requirement } from '@cilium-ts/identity';
import { selector } from '@cilium-ts/identity';
import type { L7Rules, Peer, PolicyResource, PolicySource, PortTerm, ProxyRules, Rule, SourceDirectory, Tier } from '../../src/index.ts';

/** A rule by its essentials: ingress, allow, tier `normal`, any peer, every port, endpoints with `app=web`. */
export interface RuleSketch {
  readonly direction?: Rule['direction'];
  readonly action?: Rule['action'];
  readonly subject?: Record<string, string>;
  readonly defaultDeny?: boolean;
  readonly tier?: Tier;
  readonly priority?: number;
  readonly peers?: readonly Peer[];
  readonly ports?: readonly PortTerm[];
  readonly log?: string;
  readonly labels?: readonly string[];
  readonly description?: string;
}

const equals = (labels: Record<string, string>): Requirement[] => Object.entries(labels).map(([key, value]) => ({ source: 'any', key, operator: 'In', values: [value] }));
const at = (field: string) => ({ line: 1, column: 1, field });

/** A resource whose rules stand in its order. */
export function policy(name: string, ...sketches: RuleSketch[]): PolicyResource {
  const key = `CiliumNetworkPolicy/shop/${name}`;
  const rules = sketches.map((sketch, index): Rule => {
    const { direction = 'ingress', action = 'allow', tier = 'normal', subject = { app: 'web' } } = sketch;
    return {
      resource: key,
      direction,
      action,
      subject: selector(equals(subject)),
      defaultDeny: sketch.defaultDeny ?? tier === 'normal',
      tier,
      ...(tier === 'normal' ? {} : { order: { priority: sketch.priority ?? 0, index } }),
      peers: sketch.peers === undefined ? { kind: 'any' } : { kind: 'peers', peers: sketch.peers },
      ports: sketch.ports === undefined ? { kind: 'all' } : { kind: 'ports', ports: sketch.ports },
      at: at(`spec.${direction}[${index}]`),
      ...(sketch.log === undefined ? {} : { log: sketch.log }),
      ...(sketch.labels === undefined ? {} : { labels: sketch.labels }),
      ...(sketch.description === undefined ? {} : { description: sketch.description }),
    };
  });
  return { kind: 'CiliumNetworkPolicy', namespace: 'shop', name, key, document: {}, rules };
}

export const labelsPeer = (labels: Record<string, string>): Peer => ({ kind: 'labels', requirements: equals(labels), localClusterByDefault: false, at: at('peer') });
export const cidr = (text: string) => parseCidr(text)!;

/** TCP ports; with rules of layer 7 or the like where given. */
export function tcp(port: number | string, proxy?: Partial<ProxyRules>, last?: number): PortTerm {
  const term = typeof port === 'string' ? { first: 0, last: 0, name: port } : { first: port, last: last ?? port };
  return { protocol: 6, ...term, at: at('port'), ...(proxy === undefined ? {} : { proxy: { ...proxy, at: at('rules') } }) };
}

export const http = (...rules: Extract<L7Rules, { kind: 'http' }>['rules']): Partial<ProxyRules> => ({ l7: { kind: 'http', rules } });

/** Policies with what they refer to. */
export function source(resources: readonly PolicyResource[], directory: Partial<SourceDirectory> = {}): PolicySource {
  return {
    revision: 1,
    all: () => [...resources].sort((a, b) => (a.key < b.key ? -1 : 1)),
    directory: { services: () => [], group: () => [], namedPorts: () => [], ...directory },
  };
}
