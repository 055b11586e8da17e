import { createAgentClient, type BpfFlow, type Endpoint, type MonitorEvent, type PolicyChange } from '@cilium-ts/agent-api';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { cilium } from './fake-io.ts';

const policy = { 'policy-revision': 3, 'policy-enabled': 'both' } as const;
const endpoint: Endpoint = {
  id: 7,
  spec: { 'label-configuration': { user: ['k8s:app=web'] } },
  status: {
    state: 'ready',
    'external-identifiers': { 'pod-name': 'shop/web' },
    identity: { id: 300, labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop'] },
    labels: { realized: { user: ['k8s:app=web'] }, 'security-relevant': ['k8s:app=web'] },
    networking: { addressing: [{ ipv4: '10.0.0.7', ipv6: 'fd00::7' }], 'host-mac': '02:00:00:00:00:01', mac: '02:00:00:00:00:02', 'interface-name': 'lxc7', 'interface-index': 10007, 'container-interface-name': 'eth0' },
    policy: { spec: policy, realized: policy },
    log: [],
    health: { overallHealth: 'OK', bpf: 'OK', policy: 'OK', connected: true },
  },
};

test('endpoint list is a table for people: one endpoint takes as many lines as it has labels', async () => {
  const { out } = await cilium(['endpoint', 'list'], { agent: { listEndpoints: async () => [endpoint] } });
  expect(out.split('\n')).toEqual([
    'ENDPOINT   NAME       POLICY   IDENTITY   LABELS                                 IPV4       IPV6      STATUS   HEALTH',
    '7          shop/web   both     300        k8s:app=web                            10.0.0.7   fd00::7   ready    OK',
    '                                          k8s:io.kubernetes.pod.namespace=shop',
  ]);
});

test.each<[string, (text: string) => unknown]>([['json', (text) => JSON.parse(text)], ['yaml', (text) => parse(text)]])('endpoint list -o %s is the answer whole', async (format, read) => {
  const { out } = await cilium(['endpoint', 'list', '-o', format], { agent: { listEndpoints: async () => [endpoint] } });
  expect(read(out)).toEqual([endpoint]);
});

test('endpoint create asks for exactly what was given', async () => {
  const asked: unknown[] = [];
  const createEndpoint = async (request: unknown) => (asked.push(request), endpoint);
  const { code } = await cilium(['endpoint', 'create', '--netns', 'web', '--name', 'web', '--namespace', 'shop', '--label', 'app=web', '--label', 'tier=front', '--ipv4', '10.0.0.7'], { agent: { createEndpoint } });
  expect(code).toBe(0);
  expect(asked).toEqual([{ 'container-netns-path': 'web', 'container-name': 'web', 'k8s-namespace': 'shop', 'k8s-pod-name': 'web', 'container-interface-name': 'eth0', labels: ['app=web', 'tier=front'], addressing: { ipv4: '10.0.0.7' } }]);
});

test('endpoint labels adds, replaces by key and removes', async () => {
  const configuration = { spec: { user: ['k8s:app=web', 'k8s:version=1', 'k8s:old'] }, status: { realized: { user: [] }, 'security-relevant': ['k8s:app=web'] } };
  const set: unknown[] = [];
  const agent = { getEndpointLabels: async () => configuration, setEndpointLabels: async (_id: unknown, labels: readonly string[]) => (set.push(labels), configuration) };
  expect(await cilium(['endpoint', 'labels', '7', '-a', 'k8s:version=2', '-a', 'k8s:new=1', '-d', 'k8s:old'], { agent })).toMatchObject({ code: 0 });
  expect(set).toEqual([['k8s:app=web', 'k8s:version=2', 'k8s:new=1']]);
  expect(await cilium(['endpoint', 'labels', '7', '-a', 'version=3', '-d', 'old'], { agent })).toMatchObject({ code: 0 });
  expect(set[1]).toEqual(['k8s:app=web', 'version=3']);
  expect(await cilium(['endpoint', 'labels', '7', '-d', 'none'], { agent })).toMatchObject({ code: 1, err: expect.stringContaining('it has no label k8s:none') });
});

test('policy import hands over each file under its name, and fails when an endpoint could not follow', async () => {
  const change: PolicyChange = { revision: 4, resources: ['NetworkPolicy/shop/a'], issues: [], failures: [{ 'endpoint-id': 7, reason: 'rows-full', message: 'keeps its old policy' }] };
  const seen: unknown[] = [];
  const importPolicy = async (text: string, source?: { file?: string }) => (seen.push([text, source?.file]), change);
  const { code, out, err } = await cilium(['policy', 'import', 'a.yaml'], { agent: { importPolicy }, files: { 'a.yaml': 'text' } });
  expect(seen).toEqual([['text', 'a.yaml']]);
  expect({ code, out }).toEqual({ code: 1, out: 'NetworkPolicy/shop/a imported, revision 4' });
  expect(err).toBe('cilium: endpoint 7: rows-full: keeps its old policy');
});

test('policy delete takes kind and NAMESPACE/NAME', async () => {
  const asked: unknown[] = [];
  const deletePolicy = async (which: unknown) => (asked.push(which), { revision: 5, resources: ['x'], issues: [], failures: [] });
  await cilium(['policy', 'delete', 'NetworkPolicy', 'shop/a'], { agent: { deletePolicy } });
  await cilium(['policy', 'delete', 'CiliumClusterwideNetworkPolicy', 'b'], { agent: { deletePolicy } });
  expect(asked).toEqual([{ kind: 'NetworkPolicy', namespace: 'shop', name: 'a' }, { kind: 'CiliumClusterwideNetworkPolicy', name: 'b' }]);
  expect(await cilium(['policy', 'delete', 'NetworkPolicy', 'a/b/c'], { agent: { deletePolicy } })).toMatchObject({ code: 2 });
});

test('monitor tells of its late start, of drops with both identities, and of losses', async () => {
  const ends = { source: { ip: '10.0.0.7', port: 40000, identity: 300, labels: ['k8s:app=web'], name: 'shop/web' }, destination: { ip: 'fd00::8', port: 80, identity: 9, labels: ['reserved:world-ipv4'] } };
  const events: MonitorEvent[] = [
    { type: 'start', timestamp: '2026-01-02T03:04:05.678Z', since: '2026-01-02T03:00:00.000Z', missed: 12 },
    { type: 'drop', timestamp: '2026-01-02T03:04:05.678Z', ...ends, protocol: 'TCP', direction: 'egress', 'tcp-flags': ['SYN'], reason: 133, 'reason-name': 'Policy denied' },
    { type: 'lost', timestamp: '2026-01-02T03:04:06.000Z', where: 'kernel', count: 3 },
  ];
  const monitor = async function* () { yield* events; };
  const { out } = await cilium(['monitor'], { agent: { monitor } });
  expect(out.split('\n')).toEqual([
    '03:04:05.678 monitoring since 2026-01-02T03:00:00.000Z; 12 events went by before',
    '03:04:05.678 DROP     egress TCP SYN 10.0.0.7:40000 (shop/web, identity 300) -> [fd00::8]:80 (reserved:world-ipv4, identity 9): Policy denied (133)',
    '03:04:06.000 LOST     3 events (the ring buffer was full)',
  ]);
});

test('bpf ct list shows who opened the connection', async () => {
  const flow: BpfFlow = { protocol: 'TCP', source: { ip: '10.0.0.7', port: 40000, identity: 300 }, destination: { ip: '10.0.0.8', port: 80, identity: 301 }, state: 'established', verdict: 'allow', age: 2, flags: [] };
  const limits: unknown[] = [];
  const listBpfFlows = async (limit?: unknown) => (limits.push(limit), [flow]);
  const { out } = await cilium(['bpf', 'ct', 'list', '--limit', '5'], { agent: { listBpfFlows } });
  expect(limits).toEqual([{ limit: 5 }]);
  expect(out).toContain('TCP        10.0.0.7:40000   300        10.0.0.8:80   301        established   allow     2 s');
});

test('config splits settings, and refuses what is none', async () => {
  const configuration = { spec: {}, status: { realized: { 'policy-enforcement': 'always' }, daemonConfigurationMap: { 'enable-ipv4': true }, sources: { 'enable-ipv4': 'flag' } } } as never;
  const asked: unknown[] = [];
  const patchConfig = async (change: unknown) => (asked.push(change), configuration);
  const { out } = await cilium(['config', 'PolicyEnforcement=always', 'Debug=true'], { agent: { patchConfig } });
  expect(asked).toEqual([{ options: { Debug: 'true' }, 'policy-enforcement': 'always' }]);
  expect(out).toContain('enable-ipv4   true    flag');
  expect(await cilium(['config', 'Debug'], {})).toMatchObject({ code: 2, err: expect.stringContaining('not of the form NAME=VALUE') });
});

test("cleanup runs the agent's program with the agent's places, and ends as it ends", async () => {
  const calls: unknown[] = [];
  const runAgent = async (program: string | undefined, args: readonly string[]) => (calls.push([program, args]), 3);
  expect(await cilium(['cleanup', '--state-dir', '/s'], { runAgent })).toMatchObject({ code: 3 });
  await cilium(['-H', '/a.sock', 'cleanup', '-f', '--agent', '/bin/agent'], { runAgent });
  expect(calls).toEqual([[undefined, ['cleanup', '--state-dir=/s', '--socket-path=/run/nowhere.sock']], ['/bin/agent', ['cleanup', '--socket-path=/a.sock']]]);
});

test('without an agent the message names the socket and the remedy', async () => {
  const connect = (socketPath: string) => createAgentClient({ socketPath });
  const { code, err } = await cilium(['-H', '/run/no-such.sock', 'status'], { connect });
  expect(code).toBe(1);
  expect(err).toContain('/run/no-such.sock');
  expect(err).toContain('Start cilium-agent');
});

test('an unknown command is refused with help at hand', async () => {
  expect(await cilium(['endpiont'])).toMatchObject({ code: 2, err: expect.stringContaining("unknown command 'endpiont'") });
});
