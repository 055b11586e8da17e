import { describe, expect, it } from 'vitest';
import type { FlowEnd, FlowRecord } from '../../src/index.ts';
import { parseFlows } from '../../src/index.ts';

const lines = (...values: unknown[]): string => values.map((value) => JSON.stringify(value)).join('\n');
const one = (value: unknown): FlowRecord => {
  const { flows, issues } = parseFlows(JSON.stringify(value), { file: 'f.jsonl' });
  expect(issues).toEqual([]);
  expect(flows).toHaveLength(1);
  return flows[0]!;
};
const end = ({ labels, identity, address, names }: FlowEnd): unknown => ({ labels: labels?.toStrings().join(), identity, address: address?.text, names });
const WEB = 'k8s:app=web,k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop,k8s:io.cilium.k8s.policy.cluster=default,k8s:io.kubernetes.pod.namespace=shop';

describe('parseFlows', () => {
  it('reads ends in every form', () => {
    const flow = one({ from: { labels: { app: 'web' }, namespace: 'shop' }, to: { ip: '192.0.2.1', names: ['A.com', 'b..c', ''] }, protocol: 'tcp', port: 443, direction: 'egress', verdict: 'allowed' });
    expect(end(flow.from)).toEqual({ labels: WEB });
    expect(end(flow.to)).toEqual({ address: '192.0.2.1', names: ['a.com.'] });
    expect(flow).toMatchObject({ protocol: 6, port: 443, direction: 'egress', verdict: 'allowed', at: { file: 'f.jsonl', line: 1 } });
    const other = one({ from: ['app=web', 'io.kubernetes.pod.namespace=shop'], to: 'reserved:host', protocol: 17, port: 53 });
    expect(end(other.from)).toEqual({ labels: WEB });
    expect(end(other.to)).toEqual({ labels: 'reserved:host' });
    expect(other).not.toHaveProperty('direction');
    expect(end(one({ from: 1, to: { identity: 4711 }, port: 1 }).from)).toEqual({ identity: 1, labels: 'reserved:host' });
    expect(end(one({ from: 1, to: { identity: 4711 }, port: 1 }).to)).toEqual({ identity: 4711 });
    expect(end(one({ from: ['cidr:192.0.2.0/24', 'reserved:world-ipv4'], to: 1, port: 1 }).from)).toEqual({ labels: 'cidr:192.0.2.0/24,reserved:world-ipv4' });
  });

  it('reads ICMP and protocols without ports', () => {
    expect(one({ from: 1, to: 1, protocol: 'icmp', icmpType: 8 })).toMatchObject({ protocol: 1, port: 8 });
    expect(one({ from: 1, to: 1, protocol: 'ICMPv6', port: 128 })).toMatchObject({ protocol: 58, port: 128 });
    expect(one({ from: 1, to: 1, protocol: 47 })).toMatchObject({ protocol: 47, port: 0 });
  });

  it('reads requests', () => {
    expect(one({ from: 1, to: 1, port: 80, l7: { http: { method: 'PUT', path: '/a', host: 'b' } } }).request).toEqual({ kind: 'http', method: 'PUT', path: '/a', host: 'b' });
    expect(one({ from: 1, to: 1, port: 80, l7: { http: {} } }).request).toEqual({ kind: 'http', method: 'GET', path: '/' });
    expect(one({ from: 1, to: 1, port: 53, l7: { dns: { name: 'a.com' } } }).request).toEqual({ kind: 'dns', name: 'a.com' });
    expect(one({ from: 1, to: 1, port: 9092, l7: { kafka: { apiKey: 'produce', topic: 't', apiVersion: 2 } } }).request).toEqual({ kind: 'kafka', apiKey: 'produce', topic: 't', apiVersion: 2 });
  });

  const hubble = {
    time: '2026-01-01T00:00:00Z',
    verdict: 'FORWARDED',
    IP: { source: '10.0.0.1', destination: '93.184.216.34', ipVersion: 'IPv4' },
    l4: { TCP: { source_port: 40_000, destination_port: 443, flags: { SYN: true } } },
    source: { ID: 7, identity: 300, namespace: 'shop', labels: ['k8s:app=web'], pod_name: 'web-1' },
    destination: { identity: 16_777_217, labels: ['fqdn:example.com.', 'reserved:world-ipv4'] },
    Type: 'L3_L4',
    traffic_direction: 'EGRESS',
    destination_names: ['example.com'],
    is_reply: false,
  };

  it('reads what Hubble prints, answers left out', () => {
    for (const value of [hubble, { flow: hubble, node_name: 'n', time: 't' }]) {
      const flow = one(value);
      expect(end(flow.from)).toEqual({ labels: 'k8s:app=web', identity: 300, address: '10.0.0.1' });
      expect(end(flow.to)).toEqual({ labels: 'fqdn:example.com.,reserved:world-ipv4', identity: 16_777_217, address: '93.184.216.34', names: ['example.com.'] });
      expect(flow).toMatchObject({ protocol: 6, port: 443, direction: 'egress', verdict: 'allowed' });
    }
    const answers = [{ ...hubble, is_reply: true }, { flow: { ...hubble, reply: true } }, { node_status: {} }, { lost_events: {} }, { ...hubble, l4: undefined }];
    expect(parseFlows(lines(...answers))).toEqual({ flows: [], skipped: 5, issues: [] });
  });

  it('reads requests as Hubble prints them', () => {
    const http = { ...hubble, Type: 'L7', l7: { type: 'REQUEST', http: { method: 'POST', url: 'http://api.shop:80/v1/a?b=1', headers: [{ key: 'X-A', value: '1' }, 7] } } };
    expect(one(http).request).toEqual({ kind: 'http', method: 'POST', path: '/v1/a?b=1', host: 'api.shop:80', headers: [{ name: 'X-A', value: '1' }] });
    expect(one({ ...hubble, l7: { type: 'REQUEST', http: { url: '/p' } } }).request).toEqual({ kind: 'http', method: 'GET', path: '/p' });
    expect(one({ ...hubble, l4: { UDP: { destination_port: 53 } }, l7: { type: 'REQUEST', dns: { query: 'a.com.' } } }).request).toEqual({ kind: 'dns', name: 'a.com.' });
    expect(one({ ...hubble, l7: { type: 'REQUEST', kafka: { api_key: 'fetch', topic: 't', api_version: 3 } } }).request).toEqual({ kind: 'kafka', apiKey: 'fetch', topic: 't', apiVersion: 3 });
    expect(parseFlows(JSON.stringify({ ...http, l7: { ...http.l7, type: 'RESPONSE' } })).skipped).toBe(1);
    expect(one({ ...hubble, verdict: 'AUDIT', l4: { ICMPv6: { type: 128 } } })).toMatchObject({ protocol: 58, port: 128, verdict: 'audited' });
    expect(one({ ...hubble, verdict: 'DROPPED', l4: { ICMPv4: {} } })).toMatchObject({ protocol: 1, port: 0, verdict: 'denied' });
  });

  it('reads the verdicts among the lines of cilium monitor', () => {
    const verdict = {
      type: 'policy-verdict', timestamp: 't', protocol: 'TCP', direction: 'ingress', action: 'deny', match: 'none',
      source: { ip: '10.0.0.1', port: 4, identity: 300, labels: ['k8s:app=a'] },
      destination: { ip: '10.0.0.2', port: 80, identity: 301, labels: ['k8s:app=b'], 'endpoint-id': 4 },
    };
    const { flows, skipped, issues } = parseFlows(lines({ type: 'start', timestamp: 't', since: 't', missed: 0 }, verdict, { ...verdict, type: 'trace' }, { ...verdict, protocol: 'ICMP', 'icmp-type': 8 }));
    expect([skipped, issues]).toEqual([2, []]);
    expect(flows.map(({ protocol, port, direction, verdict: said }) => [protocol, port, direction, said])).toEqual([[6, 80, 'ingress', 'denied'], [1, 8, 'ingress', 'denied']]);
    expect(end(flows[0]!.to)).toEqual({ labels: 'k8s:app=b', identity: 301, address: '10.0.0.2' });
  });

  it('takes a list as well, and empty lines', () => {
    expect(parseFlows(JSON.stringify([hubble, hubble], undefined, 1)).flows).toHaveLength(2);
    expect(parseFlows(`\n${JSON.stringify(hubble)}\n\n`).flows[0]!.at).toEqual({ line: 2 });
    expect(parseFlows('')).toEqual({ flows: [], skipped: 0, issues: [] });
  });

  it.each([
    ['{', '', 'the line is no JSON'],
    ['7', '', 'is no object'],
    ['[1', '', 'the line is no JSON'],
    ['{}', 'from', 'is missing'],
    ['{"from": 1, "to": 1}', 'port', 'is missing'],
    [JSON.stringify({ port: 1 }), 'from', 'is missing'],
    [JSON.stringify({ from: 1, to: {}, port: 1 }), 'to', 'names neither labels, identity nor ip'],
    [JSON.stringify({ from: 1, to: true, port: 1 }), 'to', 'is no end of a flow'],
    [JSON.stringify({ from: 1, to: { ip: 'x' }, port: 1 }), 'to.ip', '"x" is no address'],
    [JSON.stringify({ from: 1, to: { labels: 7 }, port: 1 }), 'to.labels', 'are neither a list of texts nor a map'],
    [JSON.stringify({ from: 1, to: ['k8s:'], port: 1 }), 'to', 'parse label "k8s:": the key is empty'],
    [JSON.stringify({ from: 1, to: 1, port: 65_536 }), 'port', '65536 is more than 65535'],
    [JSON.stringify({ from: 1, to: 1, port: -1 }), 'port', 'is no whole number'],
    [JSON.stringify({ from: 1, to: 1, protocol: 'ICMP', port: 256 }), 'port', '256 is more than 255'],
    [JSON.stringify({ from: 1, to: 1, protocol: 'XTP', port: 1 }), 'protocol', '"XTP" is no protocol'],
    [JSON.stringify({ from: 2 ** 33, to: 1, port: 1 }), 'from', '8589934592 is no number of an identity'],
    [JSON.stringify({ from: 1, to: 1, port: 1, l7: {} }), 'l7', 'names neither http, dns nor kafka'],
    [JSON.stringify({ traffic_direction: 'EGRESS', IP: { source: 'x' }, l4: { TCP: {} } }), 'IP.source', '"x" is no address'],
    [JSON.stringify({ traffic_direction: 'EGRESS', source: {}, l4: { TCP: {} } }), 'source', 'has neither labels, identity nor address'],
  ])('says what is wrong with %s', (line, field, message) => {
    const { flows, issues } = parseFlows(`\n${line}`, { file: 'f' });
    expect(flows).toEqual([]);
    expect(issues).toMatchObject([{ severity: 'error', file: 'f', line: 2, field, message }]);
  });

  it('is not led astray by names of prototypes', () => {
    expect(parseFlows('{"__proto__": {"from": 1, "to": 1, "port": 1}}').issues).toHaveLength(1);
    expect(parseFlows('{"from": {"labels": {"__proto__": "x", "constructor": "y"}}, "to": 1, "port": 1}').flows[0]!.from.labels!.toStrings()).toContain('k8s:constructor=y');
  });
});
