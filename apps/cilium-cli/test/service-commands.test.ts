import type { BpfService, Prefilter, Service } from '@cilium-ts/agent-api';
import { expect, test } from 'vitest';
import { cilium } from './fake-io.ts';

const spec: Service['spec'] = {
  id: 7,
  'frontend-address': { ip: '10.96.0.7', port: 80, protocol: 'TCP', scope: 'external' },
  'backend-addresses': [{ ip: '10.244.0.2', port: 8080, protocol: 'TCP', state: 'active' }, { ip: 'fd00::3', port: 8080, protocol: 'TCP', state: 'terminating' }],
  flags: { type: 'ClusterIP', name: 'web', namespace: 'shop' },
};
const service: Service = { spec, status: { realized: spec, source: 'web.yaml' } };

test('service list is a table, a backend a line, and names files that can not be used', async () => {
  const issue = { severity: 'error' as const, message: 'is no port', remedy: 'write 1 to 65535', file: 'db.yaml', line: 4, column: 3, field: 'spec.ports[0].port' };
  const agent = { listServices: async () => [service], listServiceFiles: async () => [{ path: '/s/web.yaml', status: 'accepted' as const, services: ['shop/web'], issues: [] }, { path: '/s/db.yaml', status: 'last-accepted' as const, services: [], issues: [issue] }] };
  const { code, out, err } = await cilium(['service', 'list'], { agent });
  expect(code).toBe(0);
  expect(out.split('\n')).toEqual([
    'ID   FRONTEND           SERVICE TYPE   NAME       BACKEND                                 PROBLEM',
    '7    10.96.0.7:80/TCP   ClusterIP      shop/web   1 => 10.244.0.2:8080/TCP (active)',
    '                                                  2 => [fd00::3]:8080/TCP (terminating)',
  ]);
  expect(err).toBe('/s/db.yaml: last-accepted\ndb.yaml:4:3: error: spec.ports[0].port: is no port (write 1 to 65535)');
});

test('service update asks for exactly what was given', async () => {
  const asked: unknown[] = [];
  const putService = async (id: number, request: unknown) => (asked.push([id, request]), service);
  const update = (...words: string[]) => cilium(['service', 'update', ...words], { agent: { putService } });
  expect(await update('--id', '7', '--frontend', '10.96.0.7:80', '--backends', '10.244.0.2:8080,10.244.0.3:8080', '--backends', '10.244.0.4:8080', '--states', 'active,active,maintenance', '--backend-weights', '1,2,3')).toMatchObject({ code: 0 });
  expect(await update('--id', '8', '--frontend', '[::]:30080', '--protocol', 'UDP', '--k8s-node-port', '--k8s-ext-traffic-policy', 'Local', '--session-affinity', '60', '--algorithm', 'maglev', '--forwarding-mode', 'dsr', '--source-ranges', '10.0.0.0/8,fd00::/8')).toMatchObject({ code: 0 });
  expect(asked).toEqual([
    [7, {
      'frontend-address': { ip: '10.96.0.7', port: 80, protocol: 'TCP' },
      'backend-addresses': [{ ip: '10.244.0.2', port: 8080, state: 'active', weight: 1 }, { ip: '10.244.0.3', port: 8080, state: 'active', weight: 2 }, { ip: '10.244.0.4', port: 8080, state: 'maintenance', weight: 3 }],
      flags: { type: 'ClusterIP', extTrafficPolicy: 'Cluster', intTrafficPolicy: 'Cluster' },
    }],
    [8, {
      'frontend-address': { ip: '::', port: 30080, protocol: 'UDP' }, 'backend-addresses': [],
      flags: { type: 'NodePort', extTrafficPolicy: 'Local', intTrafficPolicy: 'Cluster', sessionAffinity: 60, sourceRanges: ['10.0.0.0/8', 'fd00::/8'], algorithm: 'maglev', forwardingMode: 'dsr' },
    }],
  ]);
});

test.each([
  [['--id', 'x', '--frontend', '10.0.0.1:80'], '--id: "x" is not a whole number'],
  [['--id', '1', '--frontend', '10.0.0.1'], '--frontend: "10.0.0.1" is not ADDRESS:PORT'],
  [['--id', '1', '--frontend', 'fd00::1'], '--frontend: "fd00::1" is not ADDRESS:PORT'],
  [['--id', '1', '--frontend', '10.0.0.1:80', '--backends', '10.0.0.2:99999'], '--backends: "10.0.0.2:99999" is not ADDRESS:PORT'],
  [['--id', '1', '--frontend', '10.0.0.1:80', '--backends', '10.0.0.2:1,10.0.0.3:1', '--states', 'active'], '--states: there are 1 for 2 backends'],
  [['--id', '1', '--frontend', '10.0.0.1:80', '--backends', '10.0.0.2:1', '--states', 'asleep'], '--states: "asleep" is none of active'],
  [['--id', '1', '--frontend', '10.0.0.1:80', '--k8s-node-port', '--k8s-external'], '--k8s-node-port and --k8s-external exclude each other'],
])('service update %j is refused', async (words, message) => {
  expect(await cilium(['service', 'update', ...words])).toMatchObject({ code: 2, err: expect.stringContaining(message) });
});

test('a service that can not be put in force as asked fails the command', async () => {
  const putService = async () => ({ ...service, status: { ...service.status, problem: 'the map of backends is full' } });
  expect(await cilium(['service', 'update', '--id', '7', '--frontend', '10.96.0.7:80'], { agent: { putService } })).toMatchObject({ code: 1, err: 'cilium: service 7: the map of backends is full' });
});

test('service delete takes one, or all that were given to the agent', async () => {
  const deleted: number[] = [];
  const agent = { deleteService: async (id: number) => (deleted.push(id), { id }), listServices: async () => [service, { spec: { ...spec, id: 8 }, status: { realized: spec, source: 'api' } }] };
  expect(await cilium(['service', 'delete', '3'], { agent })).toMatchObject({ code: 0, out: 'service 3 deleted' });
  expect(await cilium(['service', 'delete', '--all'], { agent })).toMatchObject({ code: 0, out: 'service 8 deleted' });
  expect(deleted).toEqual([3, 8]);
  for (const words of [[], ['3', '--all'], ['web']]) expect(await cilium(['service', 'delete', ...words], { agent })).toMatchObject({ code: 2 });
});

test('service explain says who asks, and fails when there is no backend', async () => {
  const asked: unknown[] = [];
  const explainService = async (flow: unknown) => (asked.push(flow), { verdict: 'no-backend', text: 'a\nb' });
  expect(await cilium(['service', 'explain', '10.96.0.7:80', '--client', '[fd00::5]:4000', '--from', 'outside'], { agent: { explainService } })).toMatchObject({ code: 1, out: 'a\nb' });
  await cilium(['service', 'explain', '10.96.0.7:53', '--protocol', 'UDP', '--cookie', '12'], { agent: { explainService } });
  await cilium(['service', 'explain', '10.96.0.7:53', '--client', 'fd00::5'], { agent: { explainService } });
  expect(asked).toEqual([
    { ip: '10.96.0.7', port: 80, protocol: 'TCP', client: 'fd00::5', 'client-port': 4000, from: 'outside' },
    { ip: '10.96.0.7', port: 53, protocol: 'UDP', cookie: '12' },
    { ip: '10.96.0.7', port: 53, protocol: 'TCP', client: 'fd00::5', 'client-port': 0 },
  ]);
});

test('prefilter list, update and delete', async () => {
  const asked: unknown[] = [];
  const list: Prefilter = { spec: { revision: 4, deny: ['10.0.0.0/8'] }, status: { realized: { revision: 4, deny: ['10.0.0.0/8'] } } };
  const agent = { getPrefilter: async () => list, addPrefilter: async (change: unknown) => (asked.push(change), list), removePrefilter: async (change: unknown) => (asked.push(change), list) };
  expect(await cilium(['prefilter', 'list'], { agent })).toMatchObject({ code: 0, out: 'Revision: 4\n10.0.0.0/8' });
  await cilium(['prefilter', 'update', '--cidr', '10.0.0.0/8,192.0.2.1', '--cidr', 'fd00::/8', '--revision', '3'], { agent });
  await cilium(['prefilter', 'delete', '--cidr', '10.0.0.0/8'], { agent });
  expect(asked).toEqual([{ deny: ['10.0.0.0/8', '192.0.2.1', 'fd00::/8'], revision: 3 }, { deny: ['10.0.0.0/8'] }]);
  expect(await cilium(['prefilter', 'update'], { agent })).toMatchObject({ code: 2, err: expect.stringContaining('--cidr') });
  expect(await cilium(['prefilter', 'delete', '--cidr', '10.0.0.0/8', '--revision', 'new'], { agent })).toMatchObject({ code: 2 });
});

test('bpf lb list shows the share of each backend', async () => {
  const row: BpfService = {
    id: 7, frontend: { ip: 'fd00::7', port: 80, protocol: 'TCP', scope: 'internal' }, flags: ['TWO_SCOPES'], pool: 2, generation: 1, 'affinity-timeout': 60, 'run-length': 4, 'source-ranges': [],
    backends: [{ index: 3, ip: '10.244.0.2', port: 8080, protocol: 'TCP', state: 'active', generation: 1, share: 0.75 }, { index: 4, ip: '10.244.0.3', port: 8080, protocol: 'TCP', state: 'active', generation: 1, share: 0.25 }],
  };
  const { out } = await cilium(['bpf', 'lb', 'list'], { agent: { listBpfServices: async () => [row, { ...row, id: 8, backends: [], 'affinity-timeout': 0 }] } });
  expect(out.split('\n').slice(1)).toEqual([
    '7    [fd00::7]:80/TCP/i   3 10.244.0.2:8080 (active, 75 %)   TWO_SCOPES   60 s',
    '                          4 10.244.0.3:8080 (active, 25 %)',
    '8    [fd00::7]:80/TCP/i   none                               TWO_SCOPES',
  ]);
});
