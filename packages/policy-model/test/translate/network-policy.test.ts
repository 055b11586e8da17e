import { describe, expect, test } from 'vitest';
import { outside, pod, podLabels, identity, reserved } from '../helpers/identities.ts';
import { egress, ingress, issuesOf, networkPolicy, repositoryOf } from '../helpers/policies.ts';

const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db' });
const otherWeb = pod('bank', { app: 'web' });
const remoteWeb = pod('shop', { app: 'web' }, 'other');
const host = reserved('host');
const world4 = reserved('world-ipv4');
const cidr = outside('198.51.100.0/24');
const everybody = [web, otherWeb, remoteWeb, host, world4, cidr];
const [yes, no] = ['allow', 'deny-default'];

const enter = (rule: unknown, peers = everybody): string[] => {
  const repository = repositoryOf(networkPolicy({ podSelector: { matchLabels: { app: 'db' } }, ingress: [rule] }));
  return peers.map((from) => ingress({ repository, from, to: db }));
};

describe('peers', () => {
  test.each<[unknown, string[]]>([
    [{}, [yes, yes, yes, yes, yes, yes]],
    [{ from: [] }, [yes, yes, yes, yes, yes, yes]],
    [{ from: [{ podSelector: {} }] }, [yes, no, no, no, no, no]],
    [{ from: [{ podSelector: { matchLabels: { app: 'x' } } }] }, [no, no, no, no, no, no]],
    [{ from: [{ namespaceSelector: {} }] }, [yes, yes, no, no, no, no]],
    [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'bank' } } }] }, [no, yes, no, no, no, no]],
    [{ from: [{ namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['bank'] }] }, podSelector: { matchLabels: { app: 'web' } } }] }, [no, yes, no, no, no, no]],
    [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'db' } } }] }, [no, no, no, no, no, no]],
    [{ from: [{ podSelector: { matchLabels: { 'io.cilium.k8s.policy.cluster': 'other' } } }] }, [no, no, yes, no, no, no]],
    [{ from: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }, [no, no, no, no, no, yes]],
    [{ from: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['198.51.100.0/24'] } }] }, [no, no, no, no, yes, no]],
    [{ from: [{ ipBlock: { cidr: '198.51.100.0/24' } }, { podSelector: {} }] }, [yes, no, no, no, no, yes]],
  ])('%j', (rule, expected) => {
    expect(enter(rule)).toEqual(expected);
  });

  test('keys have the source k8s', () => {
    const container = identity(900, [...podLabels('shop', {})].map(({ source, key, value }) => `${source}:${key}=${value}`).concat('container:app=web'));
    expect(enter({ from: [{ podSelector: { matchLabels: { app: 'web' } } }] }, [web, container])).toEqual([yes, no]);
  });

  test('a namespace in podSelector is replaced, with a warning', () => {
    const text = networkPolicy({ podSelector: { matchLabels: { 'io.kubernetes.pod.namespace': 'bank' } }, ingress: [] });
    expect(issuesOf(text)).toMatchObject([{ severity: 'warning', field: 'spec.podSelector' }]);
    const repository = repositoryOf(text);
    expect([db, otherWeb].map((to) => ingress({ repository, from: web, to }))).toEqual([no, yes]);
  });

  test.each([
    [{ from: [{}] }, 'from[0]', 'the peer names neither podSelector, namespaceSelector nor ipBlock'],
    [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }, 'from[0].ipBlock', 'ipBlock cannot be combined with podSelector or namespaceSelector'],
    [{ from: [{ ipBlock: { cidr: '10.0.0.1' } }] }, 'from[0].ipBlock.cidr', '"10.0.0.1" is not a prefix'],
    [{ from: [{ ipBlock: {} }] }, 'from[0].ipBlock.cidr', 'the field cidr is missing'],
    [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/8'] } }] }, 'from[0].ipBlock.except[0]', '11.0.0.0/8 does not lie inside 10.0.0.0/8'],
    [{ from: [{ podSelector: { matchLabels: { 'k8s:app': 'web' } } }] }, 'from[0].podSelector.matchLabels["k8s:app"]', `the label key "k8s:app" has a source, which only Cilium's own policies may name`],
    [{ ports: [{ port: 0 }] }, 'ports[0].port', '0 is not a port'],
    [{ ports: [{ port: 65536 }] }, 'ports[0].port', '65536 is not a port'],
    [{ ports: [{ port: '80' }] }, 'ports[0].port', '"80" is not a port'],
    [{ ports: [{ endPort: 80 }] }, 'ports[0].port', 'endPort needs a port'],
    [{ ports: [{ port: 80, endPort: 79 }] }, 'ports[0].endPort', 'endPort 79 is below the port 80'],
    [{ ports: [{ port: 'http', endPort: 90 }] }, 'ports[0].endPort', 'endPort cannot follow the name "http"'],
    [{ ports: [{ port: 80, protocol: 'tcp' }] }, 'ports[0].protocol', 'the string "tcp" is not accepted'],
    [{ fromEndpoints: [] }, 'fromEndpoints', 'unknown field "fromEndpoints"'],
  ])('%j is refused', (rule, field, message) => {
    expect(issuesOf(networkPolicy({ podSelector: {}, ingress: [rule] }))).toMatchObject([{ severity: 'error', field: `spec.ingress[0].${field}`, message }]);
  });
});

test('a selector of what namespaces are not selects pods alone, in all clusters too', () => {
  const rule = { from: [{ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] } }] };
  const repository = repositoryOf(networkPolicy({ podSelector: {}, ingress: [rule] }));
  const verdicts = everybody.map((from) => ingress({ repository, from, to: web, options: { defaultLocalCluster: false } }));
  expect(verdicts).toEqual([yes, yes, yes, no, no, no]);
});

describe('ports', () => {
  const packets = [[6, 80], [6, 81], [17, 80], [132, 80], [1, 8], [47, 0]] as const;
  test.each<[unknown, string[]]>([
    [[], [yes, yes, yes, yes, yes, yes]],
    [[{}], [yes, yes, no, no, no, no]],
    [[{ port: 80 }], [yes, no, no, no, no, no]],
    [[{ port: 80, protocol: 'UDP' }], [no, no, yes, no, no, no]],
    [[{ protocol: 'SCTP' }], [no, no, no, yes, no, no]],
    [[{ port: 79, endPort: 80 }], [yes, no, no, no, no, no]],
    [[{ port: 80 }, { port: 80, protocol: 'UDP' }], [yes, no, yes, no, no, no]],
  ])('%j', (ports, expected) => {
    const repository = repositoryOf(networkPolicy({ podSelector: {}, ingress: [{ ports }] }));
    expect(packets.map(([protocol, port]) => ingress({ repository, from: web, to: db, protocol, port }))).toEqual(expected);
  });
});

describe('policyTypes', () => {
  test.each<[unknown, string, string]>([
    [{}, no, yes],
    [{ policyTypes: [] }, no, yes],
    [{ policyTypes: ['Ingress'] }, no, yes],
    [{ policyTypes: ['Egress'] }, yes, no],
    [{ policyTypes: ['Ingress', 'Egress'] }, no, no],
    [{ ingress: [] }, no, yes],
    [{ egress: [{}] }, no, yes],
    [{ egress: [{}], policyTypes: ['Egress'] }, yes, yes],
    [{ ingress: [{}] }, yes, yes],
    [{ ingress: [{}], policyTypes: ['Ingress', 'Egress'] }, yes, no],
    [{ egress: [{ to: [{ podSelector: { matchLabels: { app: 'x' } } }] }], policyTypes: ['Egress'] }, yes, no],
  ])('%j: in %s, out %s', (sections, entering, leaving) => {
    const repository = repositoryOf(networkPolicy({ podSelector: {}, ...(sections as object) }));
    expect(ingress({ repository, from: otherWeb, to: db })).toBe(entering);
    expect(egress({ repository, from: db, to: otherWeb })).toBe(leaving);
  });

  test('rules of a direction that is not listed apply, with a warning', () => {
    const text = networkPolicy({ podSelector: {}, policyTypes: ['Ingress'], egress: [{ to: [{ podSelector: {} }] }] });
    expect(issuesOf(text)).toMatchObject([{ severity: 'warning', code: 'suspicious', field: 'spec.egress' }]);
    expect(egress({ repository: repositoryOf(text), from: db, to: otherWeb })).toBe(no);
  });

  test('the rule that closes a direction says where it stands', () => {
    const [rule] = repositoryOf(networkPolicy({ podSelector: {}, policyTypes: ['Egress'] })).all()[0]!.rules;
    expect(rule).toMatchObject({ direction: 'egress', at: { field: 'spec.policyTypes' }, peers: { kind: 'none', why: 'the policy has no egress rules' } });
  });
});
