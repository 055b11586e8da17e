import { parseCidr } from '@cilium-ts/core';
import type { Requirement } from '@cilium-ts/identity';
import { labelSet, selector, selectorMatches } from '@cilium-ts/identity';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LintRequest, PolicyResource } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, formatFinding, lint, parsePolicies } from '../../src/index.ts';
import { contradiction, implies } from '../../src/questions/lint/selector-logic.ts';
import { pod, reserved } from '../helpers/identities.ts';
import { at, cidrGroup, cidrPeer, entityPeer, fqdnPeer, groupPeer, l7, labelsPeer, peersOf, port, portsOf, resourceOf, servicePeer, subjectOf } from '../helpers/lint-rules.ts';

type Options = Omit<LintRequest, 'resources'>;
/** `code severity field` of each finding. */
const find = (resources: readonly PolicyResource[], options: Options = {}): string[] => lint({ resources, ...options }).map(({ code, severity, field }) => `${code} ${severity} ${field}`);
const codes = (resources: readonly PolicyResource[], options: Options = {}): string[] => lint({ resources, ...options }).map(({ code }) => code);
function yaml(spec: unknown, { name = 'p', kind = 'CiliumNetworkPolicy' }: { name?: string; kind?: string } = {}): PolicyResource[] {
  const apiVersion = kind === 'NetworkPolicy' ? 'networking.k8s.io/v1' : 'cilium.io/v2';
  const metadata = kind.includes('Clusterwide') ? { name } : { name, namespace: 'shop' };
  const { resources, issues } = parsePolicies(JSON.stringify({ apiVersion, kind, metadata, spec }), { file: `${name}.yaml` });
  expect(issues.filter(({ severity }) => severity === 'error')).toEqual([]);
  return [...resources];
}
const web = { matchLabels: { app: 'web' } };
const db = { matchLabels: { app: 'db' } };

describe('rules that can never match', () => {
  it.each([
    [{ app: 'web' }, [{ key: 'app', operator: 'In', values: ['db'] }]],
    [{ app: 'web' }, [{ key: 'app', operator: 'DoesNotExist' }]],
    [{ app: 'web' }, [{ key: 'app', operator: 'NotIn', values: ['web', 'db'] }]],
    [{ app: 'web' }, [{ key: 'k8s:app', operator: 'DoesNotExist' }, { key: 'k8s:app', operator: 'Exists' }]],
    [{ 'k8s:app': 'web', 'container:app': 'web' }, []],
    [{ 'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'bank', 'io.kubernetes.pod.namespace': 'shop' }, []],
    [{ 'reserved:host': '', 'io.kubernetes.pod.namespace': 'shop' }, []],
  ])('because a peer contradicts itself: %j %j', (matchLabels, matchExpressions) => {
    expect(find(yaml({ endpointSelector: db, ingress: [{ fromEndpoints: [{ matchLabels, matchExpressions }] }] }))).toEqual(['impossible-peer error spec.ingress[0].fromEndpoints[0]']);
  });

  it('because the subject contradicts itself, once for the policy', () => {
    const subject = { ...web, matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] };
    const [finding, ...rest] = lint({ resources: yaml({ endpointSelector: subject, ingress: [{ fromEndpoints: [db] }, { fromEndpoints: [web] }] }) });
    expect(rest).toEqual([]);
    expect(formatFinding(finding!)).toBe(
      'p.yaml:1:241: error: CiliumNetworkPolicy/shop/p spec.ingress[0]: the policy selects no endpoint, ever: any:app!=web,any:app=web: no value meets all of it (correct the selector) [impossible-subject]',
    );
  });

  it('because exceptions leave nothing', () => {
    const allow = (cidr: string, except: string[]): string[] => find(yaml({ endpointSelector: web, egress: [{ toCIDRSet: [{ cidr, except }] }] }));
    expect(allow('10.0.0.0/8', ['10.0.0.0/8'])).toEqual(['impossible-peer error spec.egress[0].toCIDRSet[0]']);
    expect(allow('10.0.0.0/8', ['10.0.0.0/9', '10.128.0.0/10', '10.192.0.0/10'])).toEqual(['impossible-peer error spec.egress[0].toCIDRSet[0]']);
    expect(allow('10.0.0.0/8', ['10.0.0.0/9', '10.128.0.0/10', '10.192.0.0/11'])).toEqual([]);
    expect(allow('2001:db8::/32', ['2001:db8::/33', '2001:db8:8000::/33'])).toEqual(['impossible-peer error spec.egress[0].toCIDRSet[0]']);
  });

  it('because nothing has such an address', () => {
    const rule = (direction: string, field: string, prefix: string): string[] => codes(yaml({ endpointSelector: web, [direction]: [{ [field]: [prefix] }] }));
    expect(rule('ingress', 'fromCIDR', '127.0.0.1/32')).toEqual(['impossible-peer']);
    expect(rule('ingress', 'fromCIDR', '224.0.0.0/24')).toEqual(['impossible-peer']);
    expect(rule('egress', 'toCIDR', '224.0.0.0/24')).toEqual([]);
    expect(rule('egress', 'toCIDR', '0.0.0.0/0')).toEqual([]);
    const options = { ...DEFAULT_POLICY_OPTIONS, ipv6: false };
    expect(find(yaml({ endpointSelector: web, egress: [{ toCIDR: ['2001:db8::/32', '192.0.2.0/24'] }] }), { options })).toEqual(['impossible-peer error spec.egress[0].toCIDR[0]']);
  });

  it('because the prefix is the cluster’s own, where it is said what that is', () => {
    const policies = yaml({ endpointSelector: web, ingress: [{ fromCIDR: ['10.0.1.0/24'] }] });
    expect(codes(policies)).toEqual([]);
    expect(codes(policies, { clusterPrefixes: [parseCidr('10.0.0.0/16')!] })).toEqual(['cidr-inside-cluster']);
    expect(codes(policies, { clusterPrefixes: [parseCidr('10.0.1.0/25')!] })).toEqual([]);
  });

  it('but for NetworkPolicies that are read strictly', () => {
    const policies = [resourceOf('p', [{ peers: peersOf({ ...cidrPeer('10.0.1.0/24'), byAddress: true } as ReturnType<typeof cidrPeer>) }], 'NetworkPolicy')];
    const clusterPrefixes = [parseCidr('10.0.0.0/16')!];
    expect(codes(policies, { clusterPrefixes })).toEqual(['cidr-inside-cluster']);
    const strict = { ...DEFAULT_POLICY_OPTIONS, strictNetworkPolicy: true };
    expect(codes(policies, { clusterPrefixes, options: strict })).toEqual([]);
    const world = [resourceOf('q', [{ peers: peersOf(entityPeer('world')) }])];
    expect(codes([...policies, ...world])).toEqual(['redundant']);
    expect(codes([...policies, ...world], { options: strict })).toEqual([]);
  });

  it('because the protocol is of another family', () => {
    const ping = (family: string, peers: object): string[] => codes(yaml({ endpointSelector: web, ingress: [{ ...peers, icmps: [{ fields: [{ family, type: 8 }] }] }] }));
    expect(ping('IPv6', { fromCIDR: ['192.0.2.0/24'] })).toEqual(['impossible-ports']);
    expect(ping('IPv4', { fromCIDR: ['2001:db8::/32'] })).toEqual(['impossible-ports']);
    expect(ping('IPv4', { fromCIDR: ['2001:db8::/32', '192.0.2.0/24'] })).toEqual([]);
    expect(ping('IPv6', { fromEntities: ['world-ipv4'] })).toEqual(['impossible-ports']);
    expect(codes([resourceOf('p', [{ peers: peersOf(labelsPeer({ app: 'a' })), ports: portsOf() }])])).toEqual(['impossible-ports']);
  });
});

describe('rules that others make pointless', () => {
  it('are shadowed by denials that cover them', () => {
    const spec = (ingressDeny: object, ingress: object): string[] => find(yaml({ endpointSelector: db, ingressDeny: [ingressDeny], ingress: [ingress] }));
    const ports = (first: string, endPort?: number): object => ({ toPorts: [{ ports: [{ port: first, protocol: 'TCP', ...(endPort === undefined ? {} : { endPort }) }] }] });
    const shadowed = ['shadowed warning spec.ingress[0]'];
    expect(spec({ fromEndpoints: [{}] }, { fromEndpoints: [web], ...ports('80') })).toEqual(shadowed);
    expect(spec({ fromEndpoints: [{}], ...ports('80', 90) }, { fromEndpoints: [web], ...ports('85') })).toEqual(shadowed);
    expect(spec({ fromEndpoints: [{}], ...ports('80', 84) }, { fromEndpoints: [web], ...ports('80', 85) })).toEqual([]);
    expect(spec({ fromEntities: ['cluster'] }, { fromEndpoints: [web] })).toEqual(shadowed);
    expect(spec({ fromEntities: ['world'] }, { fromCIDR: ['192.0.2.0/24'] })).toEqual(shadowed);
    expect(spec({ fromCIDR: ['192.0.2.0/24'] }, { fromEntities: ['world'] })).toEqual([]);
    expect(spec({ fromCIDR: ['0.0.0.0/0'] }, { fromCIDR: ['192.0.2.0/24', '2001:db8::/32'] })).toEqual([]);
    expect(spec({ fromCIDRSet: [{ cidr: '192.0.2.0/24', except: ['192.0.2.64/26'] }] }, { fromCIDR: ['192.0.2.0/26'] })).toEqual(shadowed);
    expect(spec({ fromCIDRSet: [{ cidr: '192.0.2.0/24', except: ['192.0.2.64/26'] }] }, { fromCIDR: ['192.0.2.64/27'] })).toEqual([]);
    expect(spec({ fromCIDRSet: [{ cidr: '192.0.2.0/24', except: ['192.0.2.64/26'] }] }, { fromCIDRSet: [{ cidr: '192.0.2.0/25', except: ['192.0.2.64/26'] }] })).toEqual(shadowed);
    expect(spec({ fromEntities: ['all'] }, { fromEntities: ['host'] })).toEqual(shadowed);
    expect(spec({ fromEndpoints: [web] }, { fromEndpoints: [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'db'] }] }] })).toEqual([]);
  });

  it('name the rule that shadows them', () => {
    const [finding] = lint({ resources: yaml({ endpointSelector: db, ingressDeny: [{ fromEndpoints: [{}] }], ingress: [{ fromEndpoints: [web] }] }) });
    expect(finding!.message).toBe('the rule never decides: CiliumNetworkPolicy/shop/p (p.yaml:1: spec.ingressDeny[0]) denies all that it matches, and denials win, however specific a permission is');
    expect(finding!.related).toMatchObject([{ resource: 'CiliumNetworkPolicy/shop/p', field: 'spec.ingressDeny[0]' }]);
  });

  it('are redundant beside rules that say as much or more, the later one of two that are alike', () => {
    const twice = [...yaml({ endpointSelector: db, ingress: [{ fromEndpoints: [web] }] }, { name: 'a' }), ...yaml({ endpointSelector: db, ingress: [{ fromEndpoints: [web] }] }, { name: 'b' })];
    expect(lint({ resources: twice }).map(({ code, severity, resource }) => [code, severity, resource])).toEqual([['redundant', 'info', 'CiliumNetworkPolicy/shop/b']]);
    expect(find(yaml({ endpointSelector: db, ingress: [{ fromEndpoints: [web] }, { fromEndpoints: [{}] }] }))).toEqual(['redundant info spec.ingress[0]']);
    const wider = [...yaml({ endpointSelector: {}, ingress: [{ fromEndpoints: [web] }] }, { name: 'z' }), ...yaml({ endpointSelector: db, ingress: [{ fromEndpoints: [web] }] }, { name: 'a' })];
    expect(lint({ resources: wider }).map(({ resource }) => resource)).toEqual(['CiliumNetworkPolicy/shop/a']);
  });

  it('are not redundant where they close what the other leaves open, are logged, or are for others', () => {
    const rules = (first: object, second: object): string[] =>
      lint({ resources: [resourceOf('a', [{ peers: peersOf(labelsPeer({ app: 'a' })), ...first }]), resourceOf('b', [{ peers: peersOf(labelsPeer({ app: 'a' })), ...second }])] }).map(({ code, resource }) => `${resource.slice(-1)} ${code}`);
    expect(rules({}, {})).toEqual(['b redundant']);
    expect(rules({ defaultDeny: false }, {})).toEqual(['a redundant']);
    expect(rules({}, { defaultDeny: false })).toEqual(['b redundant']);
    expect(rules({ peers: peersOf(labelsPeer({ app: 'a' }), labelsPeer({ app: 'b' })), defaultDeny: false }, {})).toEqual([]);
    expect(rules({}, { log: 'x' })).toEqual([]);
    expect(rules({ direction: 'egress' }, {})).toEqual([]);
    expect(rules({}, { subject: subjectOf({ app: 'b' }) })).toEqual(['b redundant']);
    expect(rules({ subject: subjectOf({ app: 'b' }) }, {})).toEqual(['a redundant']);
    expect(rules({ subject: subjectOf({ app: 'b' }) }, { subject: subjectOf({ app: 'c' }) })).toEqual([]);
  });

  it('are compared by names and groups as well', () => {
    const egress = (outer: Parameters<typeof peersOf>[0], inner: Parameters<typeof peersOf>[0], more: PolicyResource[] = []): string[] => {
      const dns = { direction: 'egress' as const, peers: peersOf(entityPeer('host')), ports: portsOf(port(53, { protocol: 17, proxy: l7({ kind: 'dns', rules: [{ pattern: '*' }] }) })) };
      return codes([resourceOf('a', [{ direction: 'egress', peers: peersOf(outer) }]), resourceOf('b', [{ direction: 'egress', peers: peersOf(inner) }, dns]), ...more]);
    };
    expect(egress(fqdnPeer('*.a.com.'), fqdnPeer('www.a.com.'))).toEqual(['redundant']);
    expect(egress(fqdnPeer('*.a.com.'), fqdnPeer('a.com.'))).toEqual([]);
    expect(egress(fqdnPeer('**.a.com.'), fqdnPeer('*.a.com.'))).toEqual([]);
    expect(egress(entityPeer('world'), fqdnPeer('*.a.com.'))).toEqual(['redundant']);
    const groups = [cidrGroup('g', '192.0.2.0/24', '198.51.100.0/24')];
    expect(egress(groupPeer('g'), cidrPeer('192.0.2.0/25'), groups)).toEqual(['redundant']);
    expect(egress(cidrPeer('192.0.2.0/23'), cidrPeer('192.0.4.0/23'), groups)).toEqual([]);
    expect(egress(groupPeer('g'), cidrPeer('192.0.2.0/23'), groups)).toEqual([]);
    expect(egress(servicePeer('a'), servicePeer('a'))).toEqual(['redundant']);
  });
});

describe('tiers', () => {
  const kind = 'ClusterNetworkPolicy';
  const admin = (name: string, priority: number, rules: Parameters<typeof resourceOf>[1]): PolicyResource =>
    resourceOf(name, rules.map((rule, index) => ({ tier: 'admin' as const, order: { priority, index }, defaultDeny: false, ...rule })), kind);
  const a = peersOf(labelsPeer({ app: 'a' }));

  it('shadow what comes later', () => {
    expect(find([admin('x', 1, [{ action: 'deny', peers: a }, { peers: a, ports: portsOf(port(80)) }])])).toEqual(['shadowed warning spec[1]']);
    expect(find([admin('x', 2, [{ peers: a }]), admin('y', 1, [{ action: 'deny', peers: a }])])).toEqual(['shadowed warning spec[0]']);
    expect(find([admin('x', 2, [{ action: 'deny', peers: a }]), resourceOf('p', [{ peers: a, ports: portsOf(port(80)) }])])).toEqual(['shadowed warning spec[0]']);
    expect(find([admin('x', 2, [{ action: 'pass', peers: a }]), resourceOf('p', [{ peers: a }])])).toEqual([]);
    expect(find([admin('x', 2, [{ action: 'pass', peers: a }, { action: 'deny', peers: a }])])).toEqual(['shadowed warning spec[1]']);
  });

  it('say when baseline rules are never asked', () => {
    const baseline = resourceOf('b', [{ tier: 'baseline', order: { priority: 0, index: 0 }, defaultDeny: false, action: 'deny', peers: a }], 'BaselineAdminNetworkPolicy');
    expect(find([baseline, resourceOf('p', [{ peers: peersOf(labelsPeer({ app: 'b' })) }])])).toEqual(['shadowed info spec[0]']);
    expect(find([baseline, resourceOf('p', [{ peers: peersOf(labelsPeer({ app: 'b' })), subject: subjectOf({ app: 'x' }) }])])).toEqual([]);
  });

  it('say when a rule passes everything', () => {
    expect(find([admin('x', 1, [{ action: 'pass' }])])).toEqual(['tier-passes-everything info spec[0]']);
    expect(find([admin('x', 1, [{ action: 'pass' }, { action: 'deny', peers: a }])])).toEqual(['shadowed warning spec[1]', 'tier-passes-everything warning spec[0]']);
    expect(find([admin('x', 1, [{ action: 'pass', ports: portsOf(port(80)) }])])).toEqual([]);
  });
});

describe('rules that open more than their names say', () => {
  it('everybody, on every port or some', () => {
    const open = { endpointSelector: web, ingress: [{ fromEntities: ['all'] }] };
    expect(find(yaml(open, { name: 'web' }))).toEqual(['opens-to-everyone warning spec.ingress[0]']);
    expect(find(yaml(open, { name: 'web-public' }))).toEqual([]);
    expect(find(yaml({ ...open, description: 'Everybody may come.' }, { name: 'web' }))).toEqual([]);
    expect(find(yaml({ endpointSelector: web, ingress: [{ toPorts: [{ ports: [{ port: '80' }] }] }] }, { name: 'web' }))).toEqual(['opens-to-everyone info spec.ingress[0]']);
    expect(find(yaml({ podSelector: web, ingress: [{}] }, { name: 'web', kind: 'NetworkPolicy' }))).toEqual(['opens-to-everyone warning spec.ingress[0]']);
    expect(find(yaml({ endpointSelector: web, egress: [{ toEntities: ['all'] }] }, { name: 'web' }))).toEqual(['opens-to-everyone info spec.egress[0]']);
    expect(find(yaml({ endpointSelector: web, ingress: [{ fromEntities: ['world'] }] }, { name: 'web' }))).toEqual([]);
  });

  it('every pod of the cluster', () => {
    const open = { podSelector: web, ingress: [{ from: [{ namespaceSelector: {} }] }] };
    expect(find(yaml(open, { name: 'web', kind: 'NetworkPolicy' }))).toEqual(['opens-to-cluster info spec.ingress[0]']);
    expect(find(yaml(open, { name: 'web-cluster', kind: 'NetworkPolicy' }))).toEqual([]);
    expect(find(yaml({ ...open, ingress: [{ ...open.ingress[0], ports: [{ port: 80 }] }] }, { name: 'web', kind: 'NetworkPolicy' }))).toEqual([]);
  });

  it('named after a denial, and allowing', () => {
    const spec = { endpointSelector: db, ingress: [{ fromEndpoints: [web] }] };
    expect(find(yaml(spec, { name: 'deny-web' }))).toEqual(['allows-despite-name warning spec.ingress[0]']);
    expect(find(yaml(spec, { name: 'db-deny-from-web' }))).toEqual(['allows-despite-name warning spec.ingress[0]']);
    expect(find(yaml(spec, { name: 'deny-others' }))).toEqual([]);
    expect(find(yaml({ podSelector: web, ingress: [{}] }, { name: 'deny-all', kind: 'NetworkPolicy' }))).toEqual(['allows-despite-name warning spec.ingress[0]']);
    expect(find(yaml({ endpointSelector: db, egress: [{ toEntities: ['world'] }] }, { name: 'block-world' }))).toEqual(['allows-despite-name warning spec.egress[0]']);
    const tiered = { tier: 'admin' as const, order: { priority: 1, index: 0 }, peers: peersOf(labelsPeer({ app: 'a' })), description: 'deny-a', defaultDeny: false };
    expect(codes([resourceOf('x', [tiered], 'ClusterNetworkPolicy')])).toEqual(['allows-despite-name']);
    expect(codes([resourceOf('x', [{ ...tiered, action: 'deny' }], 'ClusterNetworkPolicy')])).toEqual([]);
  });

  it('named after a permission, and denying', () => {
    const spec = { endpointSelector: db, ingressDeny: [{ fromEndpoints: [web] }], enableDefaultDeny: { ingress: false } };
    expect(find(yaml(spec, { name: 'allow-web' }))).toEqual(['denies-despite-name warning spec.ingressDeny[0]']);
    expect(find(yaml(spec, { name: 'deny-web' }))).toEqual([]);
  });

  it('closing the whole cluster beside', () => {
    const spec = { endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { app: 'prometheus' } }] }] };
    const options = { name: 'monitoring', kind: 'CiliumClusterwideNetworkPolicy' };
    expect(find(yaml(spec, options))).toEqual(['closes-every-endpoint warning spec.ingress[0]']);
    expect(find(yaml({ ...spec, enableDefaultDeny: { ingress: false } }, options))).toEqual(['allows-what-nothing-denies info spec.ingress[0]']);
    expect(find(yaml(spec, { ...options, name: 'default-deny' }))).toEqual([]);
    expect(find(yaml(spec, { name: 'monitoring' }))).toEqual([]);
  });
});

describe('default deny by accident', () => {
  it('denials alone close everything', () => {
    const spec = { endpointSelector: db, ingressDeny: [{ fromEndpoints: [web] }] };
    expect(find(yaml(spec, { name: 'deny-web' }))).toEqual(['closes-everything-else warning spec.ingressDeny[0]']);
    expect(find(yaml({ ...spec, enableDefaultDeny: { ingress: false } }, { name: 'deny-web' }))).toEqual([]);
    expect(codes([...yaml(spec, { name: 'deny-web' }), ...yaml({ endpointSelector: {}, ingress: [{ fromEntities: ['cluster'] }] }, { name: 'q' })])).toEqual([]);
    expect(codes([...yaml(spec, { name: 'deny-web' }), ...yaml({ endpointSelector: web, ingress: [{ fromEntities: ['cluster'] }] }, { name: 'q' })])).toEqual(['closes-everything-else']);
  });

  it('a direction that is closed with nothing to open it', () => {
    const spec = { podSelector: web, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [{ podSelector: db }] }] };
    const options = { name: 'web', kind: 'NetworkPolicy' };
    expect(find(yaml(spec, options))).toEqual(['closed-without-allow warning spec.policyTypes']);
    expect(find(yaml({ ...spec, egress: [] }, options))).toEqual([]);
    expect(find([...yaml(spec, options), ...yaml({ podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ port: 53, protocol: 'UDP' }] }] }, { ...options, name: 'dns' })])).toEqual([]);
    expect(find(yaml({ ...spec, ingress: [] }, options))).toEqual([]);
  });

  it('both ways in one policy', () => {
    const a = { peers: peersOf(labelsPeer({ app: 'a' })) };
    expect(find([resourceOf('p', [a, { peers: peersOf(labelsPeer({ app: 'b' })), defaultDeny: false }])])).toEqual(['default-deny-mixed warning spec[1]']);
    expect(find([resourceOf('p', [a, { direction: 'egress', peers: peersOf(labelsPeer({ app: 'b' })) }])])).toEqual([]);
  });

  it('permissions where nothing denies', () => {
    const spec = { endpointSelector: web, enableDefaultDeny: { ingress: false }, ingress: [{ fromEndpoints: [db] }] };
    expect(find(yaml(spec))).toEqual(['allows-what-nothing-denies info spec.ingress[0]']);
    expect(find(yaml(spec), { options: { ...DEFAULT_POLICY_OPTIONS, enforcement: 'always' } })).toEqual([]);
    expect(find([...yaml(spec), ...yaml({ podSelector: {}, policyTypes: ['Ingress'] }, { name: 'floor', kind: 'NetworkPolicy' })])).toEqual([]);
  });

  it('"deny all" of one direction', () => {
    const options = { name: 'deny-all', kind: 'NetworkPolicy' };
    expect(find(yaml({ podSelector: {} }, options))).toEqual(['one-direction-open info spec']);
    expect(find(yaml({ podSelector: {} }, { ...options, name: 'deny-all-ingress' }))).toEqual([]);
    expect(find(yaml({ podSelector: {}, ingress: [] }, options))).toEqual([]);
    expect(find(yaml({ endpointSelector: {}, egress: [{}] }, { name: 'deny-all' }))).toEqual(['one-direction-open info spec.egress[0]']);
    expect(find([...yaml({ podSelector: {} }, options), ...yaml({ podSelector: {}, policyTypes: ['Egress'] }, { ...options, name: 'egress' })])).toEqual([]);
  });
});

describe('layer 7', () => {
  const get = l7({ kind: 'http', rules: [{ method: 'GET' }] });
  const a = peersOf(labelsPeer({ app: 'a' }));

  it('is defeated by a broader rule', () => {
    const limited = { peers: a, ports: portsOf(port(80, { proxy: get })) };
    expect(find([resourceOf('p', [limited, { peers: a, ports: portsOf(port(1, { last: 1000 })) }])])).toEqual(['l7-defeated warning rules']);
    expect(find([resourceOf('p', [limited, { peers: peersOf(entityPeer('cluster')) }])])).toEqual(['l7-defeated warning rules']);
    expect(find([resourceOf('p', [limited, { peers: peersOf(labelsPeer({ app: 'b' })) }])])).toEqual([]);
    expect(find([resourceOf('p', [limited, { peers: a, ports: portsOf(port(81)) }])])).toEqual([]);
    expect(find([resourceOf('p', [limited, { peers: a, ports: portsOf(port(80, { proxy: l7({ kind: 'http', rules: [{ path: '/a' }] }) })) }])])).toEqual([]);
    expect(find([resourceOf('p', [limited, { peers: a, ports: portsOf(port(80, { proxy: l7({ kind: 'http', rules: [{}] }) })) }])])).toEqual(['l7-defeated warning rules']);
    expect(find([resourceOf('p', [limited, { peers: a, ports: portsOf(port(80)), subject: subjectOf({ app: 'x' }) }])])).toEqual([]);
    expect(find([resourceOf('p', [{ peers: a, ports: portsOf(port(443, { proxy: { serverNames: ['a.com'], at } })) }, { peers: a }])])).toEqual(['l7-defeated warning spec']);
  });

  it('only observes without default deny', () => {
    const limited = { peers: a, ports: portsOf(port(80, { proxy: get })), defaultDeny: false };
    expect(find([resourceOf('p', [limited])])).toEqual(['l7-only-observes warning rules']);
    expect(find([resourceOf('p', [limited]), resourceOf('q', [{ peers: { kind: 'none', why: 'x' } }])])).toEqual([]);
    expect(find([resourceOf('p', [{ ...limited, ports: portsOf(port(80, { proxy: l7({ kind: 'http', rules: [{}] }) })) }])])).toEqual([]);
  });

  it('names need DNS rules that let them be asked for', () => {
    const to = (name: string, subject = subjectOf({ app: 'web' })) => ({ direction: 'egress' as const, subject, peers: peersOf(fqdnPeer(name)), ports: portsOf(port(443)) });
    const dns = (pattern: string, subject = subjectOf({})) => ({ direction: 'egress' as const, subject, peers: peersOf(labelsPeer({ app: 'dns' })), ports: portsOf(port(53, { protocol: 17, proxy: l7({ kind: 'dns', rules: [pattern.includes('*') ? { pattern } : { name: pattern }] }) })) });
    expect(codes([resourceOf('p', [to('a.com.')])])).toEqual(['fqdn-without-dns']);
    expect(codes([resourceOf('p', [to('a.com.'), dns('*')])])).toEqual([]);
    expect(codes([resourceOf('p', [to('a.com.'), dns('a.com.')])])).toEqual([]);
    expect(codes([resourceOf('p', [to('a.com.'), dns('*.a.com.')])])).toEqual(['fqdn-name-not-asked']);
    expect(codes([resourceOf('p', [to('a.com.'), dns('*', subjectOf({ app: 'other' }))])])).toEqual(['fqdn-without-dns']);
    expect(codes([resourceOf('p', [to('*.a.com.'), dns('**.com.')])])).toEqual([]);
    expect(codes([resourceOf('p', [to('**.a.com.'), dns('x.y.a.com.')])])).toEqual([]);
    expect(codes([resourceOf('p', [to('*.a.com.'), dns('*.b.com.')])])).toEqual(['fqdn-name-not-asked']);
  });
});

describe('what is not there', () => {
  const identities = [pod('shop', { app: 'web' }), pod('shop', { app: 'frontend' }), reserved('host')];

  it('endpoints and peers among the known identities', () => {
    const policies = (subject: object, peer: object): string[] => lint({ resources: yaml({ endpointSelector: subject, ingress: [{ fromEndpoints: [peer] }] }), identities }).map(({ code, remedy }) => `${code}: ${remedy}`);
    expect(policies(web, web)).toEqual([]);
    expect(policies({ matchLabels: { app: 'frontned' } }, web)).toEqual(['selects-no-endpoint: no identity has app=frontned; did you mean frontend?']);
    expect(policies(web, { matchLabels: { ap: 'web' } })).toEqual(['selects-no-peer: no identity has a label ap; did you mean app?']);
    expect(policies(web, { matchLabels: { 'reserved:host': '' } })).toEqual([]);
    expect(policies(web, { matchLabels: { 'reserved:health': '' } })).toEqual(['selects-no-peer: no identity has a label health']);
  });

  it('groups and services', () => {
    const to = (peer: Parameters<typeof peersOf>[0]): PolicyResource => resourceOf('p', [{ direction: 'egress', peers: peersOf(peer) }]);
    expect(lint({ resources: [to(groupPeer('partner')), cidrGroup('partners', '192.0.2.0/24')] })).toMatchObject([{ code: 'unknown-cidr-group', remedy: 'did you mean partners?' }]);
    expect(codes([to(groupPeer('partners')), cidrGroup('partners', '192.0.2.0/24')])).toEqual([]);
    expect(codes([to(servicePeer('api'))])).toEqual([]);
    expect(lint({ resources: [to(servicePeer('api'))], services: [{ namespace: 'shop', name: 'apis' }] })).toMatchObject([{ code: 'unknown-service', remedy: 'did you mean apis?' }]);
    expect(codes([to(servicePeer('api'))], { services: [{ namespace: 'shop', name: 'api' }] })).toEqual([]);
  });
});

describe('the logic of selectors', () => {
  const requirement: fc.Arbitrary<Requirement> = fc
    .record({ source: fc.constantFrom('any', 'k8s', 'container'), key: fc.constantFrom('a', 'b'), operator: fc.constantFrom('In' as const, 'NotIn' as const, 'Exists' as const, 'DoesNotExist' as const), values: fc.subarray(['1', '2', '3'], { minLength: 1 }) })
    .map((term) => ({ ...term, values: term.operator === 'In' || term.operator === 'NotIn' ? term.values : [] }));
  const terms = fc.array(requirement, { maxLength: 4 });
  const values = [undefined, ...['k8s', 'container', 'other'].flatMap((source) => ['1', '2', '3', '4'].map((value) => ({ source, value })))];
  const universe = values.flatMap((a) => values.map((b) => [...(a === undefined ? [] : [`${a.source}:a=${a.value}`]), ...(b === undefined ? [] : [`${b.source}:b=${b.value}`])]));
  const sets = universe.map((labels) => labelSet(labels));

  it('finds exactly the contradictions', () => {
    fc.assert(
      fc.property(terms, (list) => {
        const chosen = selector(list);
        expect(contradiction(list) === undefined).toBe(sets.some((labels) => selectorMatches(chosen, labels)));
      }),
      { numRuns: 300 },
    );
  });

  it('never says that one implies another when it does not', () => {
    let told = 0;
    fc.assert(
      fc.property(terms, terms, (inner, outer) => {
        if (!implies(inner, outer)) return;
        told++;
        const [narrow, wide] = [selector(inner), selector(outer)];
        expect(sets.filter((labels) => selectorMatches(narrow, labels) && !selectorMatches(wide, labels))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
    expect(told).toBeGreaterThan(100);
  });
});

describe('DNS rules beside permissions for their port and more', () => {
  const policy = (egress: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: cart } }
  egress:
    - toEndpoints: [{ matchLabels: { app: dns } }]
      toPorts: [{ ports: [{ port: "53", protocol: UDP }], rules: { dns: [{ matchName: a.example.com }] } }]
${egress}`;
  const one = '    - { toEndpoints: [{ matchLabels: { app: dns } }], toPorts: [{ ports: [{ port: "53", protocol: UDP }] }] }';
  const all = '    - { toEndpoints: [{}] }';
  const codes = (egress: string): string[] => lint({ resources: parsePolicies(policy(egress)).resources }).map(({ code, line }) => `${code} ${line}`);

  it('are defeated by one about the very port, not by a wider one', () => {
    expect(codes(one)).toEqual(['l7-defeated 9']);
    expect(codes(all)).toEqual([]);
  });

  it('keep the one about the port from being redundant', () => {
    expect(codes(`${one}\n${all}`)).toEqual(['l7-defeated 9']);
  });
});
