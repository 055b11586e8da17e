import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createLabelFilter, labelSet } from '@cilium-ts/identity';
import type { Json, SimOptions } from '../simulator/tables.ts';
import { BANK, CLUSTER, DB, EVERYBODY, NODE, OTHER_CLUSTER, OUTSIDE, OWN_NODE, PLAIN, QUEUE, REPLICA, WEB } from './cluster.ts';
import { OPTIONS, libraryOf } from './library.ts';
import type { Connection, Endpoint } from './strict.ts';
import { strictVerdicts } from './strict.ts';

const STRICT: SimOptions = { ...OPTIONS, strictNetworkPolicy: true };
const page = readFileSync(new URL('../../../../../docs/policies/network-policy-deviations.md', import.meta.url), 'utf8');
const rows = page.split('\n').flatMap((line) => /^\| `([a-z-]+)` \|/.exec(line)?.[1] ?? []);

/** A NetworkPolicy in `shop` for everybody there. */
const policy = (spec: Json): Json => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'web', namespace: 'shop' }, spec: { podSelector: {}, ...spec } });
const from = (...peers: Json[]): Json => policy({ ingress: [{ from: peers }] });

/** Whether the connection's sender gets in: by the rules' own words, by default, and strictly. */
function entering(document: Json, sender: Endpoint, receiver: Endpoint = WEB, options: Partial<SimOptions> = {}): [boolean, boolean, boolean] {
  const connection: Connection = { from: sender, to: receiver, packet: { protocol: 6, port: 80 } };
  const library = (base: SimOptions): boolean => libraryOf([document], { ...base, ...options }, EVERYBODY)(connection).ingress;
  return [strictVerdicts([document], CLUSTER, connection).ingress, library(OPTIONS), library(STRICT)];
}

const proofs: Readonly<Record<string, () => void>> = {
  node() {
    const closed = policy({ ingress: [] });
    expect(entering(closed, OWN_NODE)).toEqual([false, true, false]);
    expect(entering(closed, OWN_NODE, WEB, { allowLocalhost: false })).toEqual([false, false, false]);
    expect(entering(closed, NODE)).toEqual([false, false, false]);
    expect(entering(policy({ ingress: [{}] }), OWN_NODE)).toEqual([true, true, true]);
    const out = policy({ policyTypes: ['Egress'] });
    const leaving: Connection = { from: WEB, to: OWN_NODE, packet: { protocol: 6, port: 80 } };
    expect([OPTIONS, STRICT].map((options) => libraryOf([out], options)(leaving).egress)).toEqual([false, false]);
  },
  'ip-block-pods'() {
    expect(entering(from({ ipBlock: { cidr: '10.8.0.0/16' } }), BANK)).toEqual([true, false, true]);
    expect(entering(from({ ipBlock: { cidr: '10.8.0.0/16', except: ['10.8.0.1/32'] } }), BANK)).toEqual([false, false, false]);
    expect(entering(from({ ipBlock: { cidr: '0.0.0.0/0' } }), QUEUE)).toEqual([true, false, true]);
    expect(entering(from({ ipBlock: { cidr: '198.51.100.0/24' } }), OUTSIDE)).toEqual([true, true, true]);
  },
  'ip-block-nodes'() {
    const nodes = from({ ipBlock: { cidr: '172.30.0.0/16' } });
    expect(entering(nodes, NODE)).toEqual([true, false, true]);
    expect(entering(nodes, OWN_NODE, WEB, { allowLocalhost: false })).toEqual([true, false, true]);
  },
  replicas() {
    const one = from({ ipBlock: { cidr: '10.7.0.1/32' } });
    expect(entering(one, WEB, DB)).toEqual([true, false, false]);
    expect(entering(one, REPLICA, DB)).toEqual([false, false, false]);
    expect(entering(from({ ipBlock: { cidr: '10.7.0.0/30' } }), REPLICA, DB)).toEqual([true, false, true]);
  },
  'unlisted-direction'() {
    const document = policy({ policyTypes: ['Egress'], ingress: [{ from: [{ podSelector: { matchLabels: { app: 'db' } } }] }], egress: [{}] });
    expect(entering(document, DB)).toEqual([true, true, true]);
    expect(entering(document, QUEUE)).toEqual([true, false, true]);
  },
  self() {
    expect(entering(policy({ ingress: [] }), WEB, WEB)).toEqual([false, false, false]);
    expect(entering(from({ podSelector: {} }), WEB, WEB)).toEqual([true, true, true]);
  },
  'named-ports'() {
    // Another pod has the labels of PLAIN, and calls another port http.
    const document = policy({ ingress: [{ ports: [{ port: 'http' }] }] });
    const asked = (port: number): Connection => ({ from: QUEUE, to: PLAIN, packet: { protocol: 6, port } });
    const told = (connection: Connection): boolean[] => [strictVerdicts([document], CLUSTER, connection).ingress, ...[OPTIONS, STRICT].map((options) => libraryOf([document], options, EVERYBODY)(connection).ingress)];
    expect([8080, 8081, 80].map((port) => told(asked(port)))).toEqual([[true, true, true], [false, true, true], [false, false, false]]);
  },
  clusters() {
    const document = from({ namespaceSelector: {} });
    expect(entering(document, BANK)).toEqual([true, true, true]);
    expect(entering(document, OTHER_CLUSTER).slice(1)).toEqual([false, false]);
    expect(entering(document, OTHER_CLUSTER, WEB, { defaultLocalCluster: false }).slice(1)).toEqual([true, true]);
  },
  'label-keys'() {
    const namespace = policy({ podSelector: { matchLabels: { 'io.kubernetes.pod.namespace': 'elsewhere' } }, ingress: [] });
    expect(entering(namespace, QUEUE)).toEqual([true, false, false]);
    const cluster = from({ podSelector: { matchLabels: { 'io.cilium.k8s.policy.cluster': 'default' } } });
    expect(entering(cluster, DB)).toEqual([false, true, true]);
  },
  'identity-labels'() {
    const kept = createLabelFilter()(labelSet(['k8s:app=web', 'k8s:pod-template-hash=abc']));
    expect(kept.toStrings()).toEqual(['k8s:app=web']);
  },
};

describe('every row of the table of deviations is proved', () => {
  test('and every proof has a row', () => {
    expect(rows).toEqual(Object.keys(proofs));
  });
  test.each(rows)('%s', (row) => proofs[row]!());
});
