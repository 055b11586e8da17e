import { describe, expect, test } from 'vitest';
import { MATCH_TYPE, parsePolicies } from '../../src/index.ts';
import { outside, pod, reserved } from '../helpers/identities.ts';
import { ccnp, cnp, decide, egress, ingress, issuesOf, repositoryOf } from '../helpers/policies.ts';

const web = pod('shop', { app: 'web' });
const db = pod('shop', { app: 'db', tier: 'data' });
const otherWeb = pod('bank', { app: 'web' });
const remoteWeb = pod('shop', { app: 'web' }, 'other');
const host = reserved('host');
const world4 = reserved('world-ipv4');
const world6 = reserved('world-ipv6');
const onDb = { matchLabels: { app: 'db' } };
const all = {};

/** Actions of an ingress rule of `db` for several peers. */
const enter = (rule: unknown, peers: Parameters<typeof ingress>[0]['from'][], options = {}): string[] => {
  const repository = repositoryOf(cnp({ endpointSelector: onDb, ingress: [rule] }));
  return peers.map((from) => ingress({ repository, from, to: db, options }));
};

describe('peer fields (absent and empty differ)', () => {
  test('no peers and no ports: allows nothing', () => {
    expect(enter({}, [web, host, world4])).toEqual(['deny-default', 'deny-default', 'deny-default']);
  });

  test('no peers but ports: everybody, on those ports', () => {
    const repository = repositoryOf(cnp({ endpointSelector: onDb, ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] }] }));
    for (const from of [web, otherWeb, remoteWeb, host, world4]) {
      expect(decide('ingress', { repository, from, to: db })).toMatchObject({ action: 'allow', match: MATCH_TYPE.l4Only });
      expect(ingress({ repository, from, to: db, port: 81 })).toBe('deny-default');
    }
  });

  test.each(['fromEndpoints', 'fromEntities', 'fromCIDR', 'fromCIDRSet'])('an empty %s selects nobody, ports or not', (field) => {
    expect(enter({ [field]: [] }, [web, host])).toEqual(['deny-default', 'deny-default']);
    expect(enter({ [field]: [], toPorts: [{ ports: [{ port: '80' }] }] }, [web, host])).toEqual(['deny-default', 'deny-default']);
  });

  test('an empty list beside a full one selects nobody', () => {
    expect(enter({ fromEndpoints: [], fromEntities: ['all'] }, [web])).toEqual(['deny-default']);
  });

  test('toPorts: [] and icmps: [] are like none; an entry without ports matches no traffic', () => {
    expect(enter({ fromEntities: ['all'], toPorts: [], icmps: [] }, [web])).toEqual(['allow']);
    expect(enter({ fromEntities: ['all'], toPorts: [{}] }, [web])).toEqual(['deny-default']);
    expect(enter({ fromEntities: ['all'], icmps: [{}] }, [web])).toEqual(['deny-default']);
    expect(enter({ toPorts: [{ ports: [] }] }, [web])).toEqual(['deny-default']);
  });
});

describe('label selectors', () => {
  test('{} means the pods of the same namespace and cluster', () => {
    expect(enter({ fromEndpoints: [all] }, [web, otherWeb, remoteWeb, host, world4])).toEqual(['allow', 'deny-default', 'deny-default', 'deny-default', 'deny-default']);
  });

  test('the same labels in another namespace are somebody else', () => {
    expect(enter({ fromEndpoints: [{ matchLabels: { app: 'web' } }] }, [web, otherWeb])).toEqual(['allow', 'deny-default']);
  });

  test.each([
    [{ matchLabels: { app: 'web', 'io.kubernetes.pod.namespace': 'bank' } }],
    [{ matchLabels: { app: 'web', 'k8s:io.kubernetes.pod.namespace': 'bank' } }],
    [{ matchLabels: { 'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'bank' } }],
    [{ matchExpressions: [{ key: 'io.kubernetes.pod.namespace', operator: 'In', values: ['bank', 'x'] }] }],
    [{ matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'NotIn', values: ['shop'] }] }],
  ])('%j names its namespace itself', (selector) => {
    expect(enter({ fromEndpoints: [selector] }, [web, otherWeb])).toEqual(['deny-default', 'allow']);
  });

  test('a cluster may be named, and the default cluster is an option', () => {
    const labels = { 'io.cilium.k8s.policy.cluster': 'other' };
    expect(enter({ fromEndpoints: [{ matchLabels: labels }] }, [web, remoteWeb])).toEqual(['deny-default', 'allow']);
    expect(enter({ fromEndpoints: [all] }, [web, remoteWeb], { defaultLocalCluster: false })).toEqual(['allow', 'allow']);
    expect(enter({ fromEndpoints: [all] }, [web, remoteWeb], { clusterName: 'other' })).toEqual(['deny-default', 'allow']);
  });

  test('reserved labels get neither namespace nor cluster', () => {
    expect(enter({ fromEndpoints: [{ matchLabels: { 'reserved:host': '' } }] }, [host, web])).toEqual(['allow', 'deny-default']);
    expect(enter({ fromEndpoints: [{ matchExpressions: [{ key: 'reserved:host', operator: 'DoesNotExist' }] }] }, [host, web, otherWeb, world4])).toEqual(['deny-default', 'allow', 'allow', 'allow']);
  });

  test.each([
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'db'] }] }, ['allow', 'allow']],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, ['deny-default', 'allow']],
    [{ matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, ['deny-default', 'allow']],
    [{ matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] }, ['allow', 'deny-default']],
    [{ matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['data'] }] }, ['allow', 'deny-default']],
    [{ matchLabels: { app: 'db' }, matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, ['deny-default', 'allow']],
    [{ matchLabels: { 'any:app': 'web' } }, ['allow', 'deny-default']],
    [{ matchLabels: { 'k8s:app': 'web' } }, ['allow', 'deny-default']],
    [{ matchLabels: { 'container:app': 'web' } }, ['deny-default', 'deny-default']],
  ])('%j', (selector, expected) => {
    expect(enter({ fromEndpoints: [selector] }, [web, db])).toEqual(expected);
  });

  test('cidr: terms match by containment', () => {
    const rule = { fromEndpoints: [{ matchLabels: { 'cidr:198.51.100.0/24': '', 'reserved:world-ipv4': '' } }] };
    expect(enter(rule, [outside('198.51.100.7/32'), outside('198.51.0.0/16'), world4])).toEqual(['allow', 'deny-default', 'deny-default']);
  });

  test.each([
    [{ matchLabels: { 'a b': 'x' } }, 'matchLabels["a b"]', '"a b" is not a label key'],
    [{ matchLabels: { app: 'a b' } }, 'matchLabels.app', '"a b" is not a label value'],
    [{ matchLabels: { app: 'x'.repeat(64) } }, 'matchLabels.app', `"${'x'.repeat(64)}" is not a label value`],
    [{ matchLabels: { 'cidr:nonsense': '' } }, undefined, undefined],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: [] }] }, 'matchExpressions[0].values', 'the operator In needs values'],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn' }] }, 'matchExpressions[0].values', 'the operator NotIn needs values'],
    [{ matchExpressions: [{ key: 'app', operator: 'Exists', values: ['a'] }] }, 'matchExpressions[0].values', 'the operator Exists takes no values'],
    [{ matchExpressions: [{ key: '', operator: 'Exists' }] }, 'matchExpressions[0].key', '"" is not a label key'],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['-'] }] }, 'matchExpressions[0].values[0]', '"-" is not a label value'],
  ])('%j is refused', (selector, field, message) => {
    const [issue, ...others] = issuesOf(cnp({ endpointSelector: onDb, ingress: [{ fromEndpoints: [selector] }] }));
    expect(others).toEqual([]);
    expect(issue).toMatchObject({ code: 'invalid-value', severity: 'error' });
    if (field !== undefined) expect(issue).toMatchObject({ message, field: `spec.ingress[0].fromEndpoints[0].${field}` });
  });
});

describe('subjects', () => {
  test('a policy applies in its own namespace only', () => {
    const repository = repositoryOf(cnp({ endpointSelector: { matchLabels: { app: 'web' } }, ingress: [{}] }));
    expect(ingress({ repository, from: db, to: web })).toBe('deny-default');
    expect(ingress({ repository, from: db, to: otherWeb })).toBe('allow');
  });

  test.each([
    [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'bank' } }, 'deny-default'],
    [{ matchLabels: { 'io.kubernetes.pod.namespace': 'bank' } }, 'allow'],
    [{ matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'In', values: ['bank'] }] }, 'allow'],
  ])('%j names another namespace: a warning, and never that namespace', (endpointSelector, inOwnNamespace) => {
    const text = cnp({ endpointSelector, ingress: [{}] });
    expect(issuesOf(text)).toMatchObject([{ severity: 'warning', code: 'suspicious', field: 'spec.endpointSelector' }]);
    const repository = repositoryOf(text);
    expect(ingress({ repository, from: db, to: web })).toBe(inOwnNamespace);
    expect(ingress({ repository, from: db, to: otherWeb })).toBe('allow');
  });

  test('its own namespace may be named', () => {
    expect(issuesOf(cnp({ endpointSelector: { matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'shop' } }, ingress: [{}] }))).toEqual([]);
  });

  test('a selector and at least one entry are required', () => {
    expect(issuesOf(cnp({ ingress: [{}] }))).toMatchObject([{ code: 'missing-field', field: 'spec', message: 'the field endpointSelector is missing' }]);
    for (const empty of [{}, { ingress: [] }, { ingress: [], egress: [], ingressDeny: [], egressDeny: [] }]) {
      expect(issuesOf(cnp({ endpointSelector: {}, ...empty }))).toMatchObject([{ code: 'missing-field', field: 'spec', message: 'the rule has no entry in ingress, ingressDeny, egress or egressDeny' }]);
    }
    expect(issuesOf(JSON.stringify({ apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'a' } }))).toMatchObject([{ code: 'missing-field', field: '', message: 'the policy has neither spec nor specs' }]);
  });
});

describe('cluster-wide policies', () => {
  test('apply in every namespace; {} as peer means pods of any namespace', () => {
    const repository = repositoryOf(ccnp({ endpointSelector: { matchLabels: { app: 'web' } }, ingress: [{ fromEndpoints: [all] }] }));
    for (const to of [web, otherWeb]) {
      expect(ingress({ repository, from: db, to })).toBe('allow');
      expect(ingress({ repository, from: pod('bank', {}), to })).toBe('allow');
      expect(ingress({ repository, from: host, to })).toBe('deny-default');
      expect(ingress({ repository, from: world4, to })).toBe('deny-default');
      expect(ingress({ repository, from: remoteWeb, to })).toBe('deny-default');
    }
  });

  test('with reserved:init as subject, {} as peer has no namespace term', () => {
    const init = reserved('init');
    const repository = repositoryOf(ccnp({ endpointSelector: { matchLabels: { 'reserved:init': '' } }, ingress: [{ fromEndpoints: [all] }] }));
    expect(ingress({ repository, from: world4, to: init, options: { defaultLocalCluster: false } })).toBe('allow');
    expect(ingress({ repository, from: world4, to: init })).toBe('deny-default');
    expect(ingress({ repository, from: db, to: init })).toBe('allow');
  });

  test('have no namespace', () => {
    const text = JSON.stringify({ apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata: { name: 'a', namespace: 'b' }, spec: { endpointSelector: {}, ingress: [{}] } });
    expect(issuesOf(text)).toMatchObject([{ code: 'invalid-value', field: 'metadata.namespace', remedy: 'remove it, or use a CiliumNetworkPolicy' }]);
  });
});

describe('entities', () => {
  const peers = { web, remoteWeb, host, world4, world6, world: reserved('world', { ipv4: true, ipv6: false }), init: reserved('init'), health: reserved('health'), 'remote-node': reserved('remote-node'), unmanaged: reserved('unmanaged'), ingress: reserved('ingress'), cidr: outside('198.51.100.0/24') };
  test.each<[string, string[]]>([
    ['all', Object.keys(peers)],
    ['world', ['world4', 'world6', 'world', 'cidr']],
    ['world-ipv4', ['world4', 'cidr']],
    ['world-ipv6', ['world6']],
    ['cluster', ['web', 'host', 'init', 'health', 'remote-node', 'unmanaged', 'ingress']],
    ['host', ['host']],
    ['remote-node', ['remote-node']],
    ['init', ['init']],
    ['health', ['health']],
    ['unmanaged', ['unmanaged']],
    ['ingress', ['ingress']],
    ['none', []],
  ])('%s', (entity, expected) => {
    const actions = enter({ fromEntities: [entity] }, Object.values(peers));
    expect(Object.keys(peers).filter((_, index) => actions[index] === 'allow')).toEqual(expected);
  });

  test('an unknown one is refused, with the one that was meant', () => {
    expect(issuesOf(cnp({ endpointSelector: {}, egress: [{ toEntities: ['world', 'wrold'] }] }))).toMatchObject([{ code: 'invalid-value', field: 'spec.egress[0].toEntities[1]', message: '"wrold" is not an entity', remedy: 'did you mean world?' }]);
  });
});

describe('prefixes', () => {
  const inside = outside('198.51.100.0/24');
  const half = outside('198.51.100.128/25', ['198.51.100.0/24']);
  const v6 = outside('2001:db8:c::1/128', ['2001:db8:c::/64']);
  test.each<[unknown, string[]]>([
    [{ fromCIDR: ['198.51.100.0/24'] }, ['allow', 'allow', 'deny-default', 'deny-default', 'deny-default', 'deny-default']],
    [{ fromCIDR: ['198.51.100.77/24'] }, ['allow', 'allow', 'deny-default', 'deny-default', 'deny-default', 'deny-default']],
    [{ fromCIDR: ['2001:db8:c::1'] }, ['deny-default', 'deny-default', 'allow', 'deny-default', 'deny-default', 'deny-default']],
    [{ fromCIDR: ['0.0.0.0/0'] }, ['allow', 'allow', 'deny-default', 'allow', 'deny-default', 'deny-default']],
    [{ fromCIDR: ['::/0'] }, ['deny-default', 'deny-default', 'allow', 'deny-default', 'deny-default', 'deny-default']],
    [{ fromCIDRSet: [{ cidr: '198.51.100.0/24', except: ['198.51.100.128/25'] }] }, ['allow', 'deny-default', 'deny-default', 'deny-default', 'deny-default', 'deny-default']],
    [{ fromCIDRSet: [{ cidr: '0.0.0.0/0', except: ['198.51.100.0/24'] }] }, ['deny-default', 'deny-default', 'deny-default', 'allow', 'deny-default', 'deny-default']],
    [{ fromCIDRSet: [{ cidr: '198.51.100.0/24', except: ['198.51.100.0/24'] }] }, ['deny-default', 'deny-default', 'deny-default', 'deny-default', 'deny-default', 'deny-default']],
    // What one entry excepts another may select: an exception is not a denial.
    [{ fromCIDRSet: [{ cidr: '198.51.100.0/24', except: ['198.51.100.128/25'] }, { cidr: '198.51.100.128/25' }] }, ['allow', 'allow', 'deny-default', 'deny-default', 'deny-default', 'deny-default']],
  ])('%j never means pods or nodes', (rule, expected) => {
    expect(enter(rule, [inside, half, v6, world4, web, host])).toEqual(expected);
  });

  test('a whole family means the world label of the stack', () => {
    const single = { ipv4: true, ipv6: false };
    expect(enter({ fromCIDR: ['0.0.0.0/0'] }, [reserved('world', single)], single)).toEqual(['allow']);
    expect(enter({ fromCIDR: ['0.0.0.0/0'] }, [reserved('world', single)])).toEqual(['deny-default']);
  });

  test.each([
    [{ fromCIDR: ['300.0.0.0/8'] }, 'fromCIDR[0]', '"300.0.0.0/8" is not an address or prefix'],
    [{ fromCIDR: ['10.0.0.0/33'] }, 'fromCIDR[0]', '"10.0.0.0/33" is not an address or prefix'],
    [{ fromCIDR: [''] }, 'fromCIDR[0]', '"" is not an address or prefix'],
    [{ fromCIDR: ['::ffff:10.0.0.0/104'] }, 'fromCIDR[0]', '"::ffff:10.0.0.0/104" is not an address or prefix'],
    [{ fromCIDRSet: [{ cidr: '10.0.0.1' }] }, 'fromCIDRSet[0].cidr', '"10.0.0.1" is not a prefix'],
    [{ fromCIDRSet: [{}] }, 'fromCIDRSet[0]', 'none of cidr, cidrGroupRef, cidrGroupSelector is given'],
    [{ fromCIDRSet: [{ cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] }] }, 'fromCIDRSet[0].except[0]', '11.0.0.0/16 does not lie inside 10.0.0.0/8'],
    [{ fromCIDRSet: [{ cidr: '10.0.0.0/8', except: ['10.0.0.0/7'] }] }, 'fromCIDRSet[0].except[0]', '10.0.0.0/7 does not lie inside 10.0.0.0/8'],
    [{ fromCIDRSet: [{ cidr: '10.0.0.0/8', except: ['2001:db8::/64'] }] }, 'fromCIDRSet[0].except[0]', '2001:db8::/64 does not lie inside 10.0.0.0/8'],
    [{ fromCIDRSet: [{ cidr: '10.0.0.0/8', except: ['10.0.0.1'] }] }, 'fromCIDRSet[0].except[0]', '"10.0.0.1" is not a prefix'],
  ])('%j is refused', (rule, field, message) => {
    expect(issuesOf(cnp({ endpointSelector: {}, ingress: [rule] }))).toMatchObject([{ severity: 'error', field: `spec.ingress[0].${field}`, message }]);
  });
});

describe('what cannot be combined', () => {
  const fields = { fromEndpoints: [all], fromEntities: ['all'], fromCIDR: ['10.0.0.0/8'], fromCIDRSet: [{ cidr: '10.0.0.0/8' }] };
  const names = Object.keys(fields) as (keyof typeof fields)[];
  test.each(names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b] as const)))('%s and %s', (a, b) => {
    expect(issuesOf(cnp({ endpointSelector: {}, ingress: [{ [a]: fields[a], [b]: fields[b] }] }))).toMatchObject([
      { code: 'invalid-value', field: `spec.ingress[0].${b}`, message: `${a} and ${b} cannot be combined in one rule` },
    ]);
  });

  test('icmps and toPorts', () => {
    const rule = { toEntities: ['all'], toPorts: [{ ports: [{ port: '80' }] }], icmps: [{ fields: [{ type: 8 }] }] };
    expect(issuesOf(cnp({ endpointSelector: {}, egressDeny: [rule] }))).toMatchObject([{ field: 'spec.egressDeny[0].icmps', message: 'icmps and toPorts cannot be combined in one rule' }]);
  });
});

test('egress reads the to fields', () => {
  const repository = repositoryOf(cnp({ endpointSelector: {}, egress: [{ toEndpoints: [{ matchLabels: { app: 'db' } }] }, { toCIDR: ['198.51.100.0/24'] }, { toEntities: ['host'] }] }));
  expect([db, otherWeb, outside('198.51.100.0/24'), host].map((to) => egress({ repository, from: web, to }))).toEqual(['allow', 'deny-default', 'allow', 'allow']);
});

test('from fields in egress are unknown', () => {
  const { resources, issues } = parsePolicies(cnp({ endpointSelector: {}, egress: [{ fromEndpoints: [all] }] }));
  expect(resources).toEqual([]);
  expect(issues).toMatchObject([{ code: 'unknown-field', field: 'spec.egress[0].fromEndpoints' }]);
});
