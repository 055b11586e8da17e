import type { ServiceRequest } from '@cilium-ts/agent-api';
import { afterEach, describe, expect, it } from 'vitest';
import { allowIngress, openBench, withServices } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
let client: AttachedPod;
let one: AttachedPod;
let two: AttachedPod;
afterEach(() => bench[Symbol.asyncDispose]());

const VIP = { 4: '10.96.0.7', 6: 'fd00:96::7' } as const;
type Family = keyof typeof VIP;
const address = (pod: AttachedPod, family: Family): string => (family === 4 ? pod.ipv4 : pod.ipv6);

const open = async (options?: Parameters<typeof openBench>[1]): Promise<void> => {
  bench = await openBench('services', options);
  [client, one, two] = [await bench.pod('client'), await bench.pod('one', ['app=web']), await bench.pod('two', ['app=web'])];
  for (const pod of [one, two]) for (const protocol of ['tcp', 'udp'] as const) await pod.probe.listen({ protocol, port: 8080 });
};
const request = (family: Family, pods: readonly AttachedPod[], protocol: 'TCP' | 'UDP' = 'TCP'): ServiceRequest => ({
  'frontend-address': { ip: VIP[family], port: 80, protocol }, 'backend-addresses': pods.map((pod) => ({ ip: address(pod, family), port: 8080 })),
});
const reach = async (family: Family, protocol: 'TCP' | 'UDP', port = 80): Promise<string> => {
  const target = { address: VIP[family], port, timeoutMs: 1000 };
  return (await (protocol === 'TCP' ? client.probe.connect(target) : client.probe.udp(target))).outcome;
};
const times = async (count: number, act: () => Promise<string>): Promise<string[]> => {
  const seen = new Set<string>();
  for (let at = 0; at < count; at++) seen.add(await act());
  return [...seen];
};

const MODES: readonly (readonly [string, string[]])[] = [['per packet', []], ['at the socket', ['--bpf-lb-sock']]];

describe.each(MODES)('a ClusterIP, translated %s', (mode, flags) => {
  it.each([[4, 'TCP'], [4, 'UDP'], [6, 'TCP'], [6, 'UDP']] as const)('is reached by pods: IPv%s, %s', async (family, protocol) => {
    await open({ flags });
    expect(await reach(family, protocol, 80)).not.toBe('ok');
    await bench.client.putService(7, request(family, [one, two], protocol));
    expect(await times(10, () => reach(family, protocol))).toEqual(['ok']);
    // Only those that are backends answer.
    await bench.client.putService(7, request(family, [two], protocol));
    await one.probe.unlisten({ protocol: protocol === 'TCP' ? 'tcp' : 'udp', port: 8080 });
    expect(await times(5, () => reach(family, protocol))).toEqual(['ok']);
    await bench.client.deleteService(7);
    expect(await reach(family, protocol)).not.toBe('ok');
  });

  it('without backends is refused at once', async () => {
    await open({ flags });
    await bench.client.putService(7, request(4, []));
    const attempt = await client.probe.connect({ address: VIP[4], port: 80, timeoutMs: 2000 });
    expect(attempt).toMatchObject(mode === 'at the socket' ? { code: 'EHOSTUNREACH' } : { outcome: 'refused', code: 'ECONNREFUSED' });
    if (mode === 'per packet') expect((await bench.client.listBpfMetrics()).find(({ reason }) => reason === 158)?.packets).toBeGreaterThan(0);
    expect((await bench.client.listBpfServices()).filter(({ id }) => id !== 0)).toMatchObject([{ id: 7, backends: [] }]);
  });

  it('is subject to the policy of its backend', async () => {
    await open({ flags });
    const other = await bench.pod('other');
    await bench.client.putService(7, request(4, [one]));
    await bench.client.importPolicy(allowIngress('web', 'web', 'client', 8080));
    expect(await reach(4, 'TCP')).toBe('ok');
    expect((await other.probe.connect({ address: VIP[4], port: 80, timeoutMs: 300 })).outcome).toBe('timeout');
  });

  it('survives a restart and a kill of the agent without a failure', async () => {
    await open({ flags });
    await bench.client.putService(7, request(4, [one, two]));
    const flow = await client.probe.startFlow({ kind: 'connections', address: VIP[4], port: 80, intervalMs: 10, timeoutMs: 1000 });
    const lasting = await client.probe.startFlow({ kind: 'tcp', address: VIP[4], port: 80, intervalMs: 5 });
    await bench.restart();
    await bench.restart({ signal: 'SIGKILL' });
    expect(Object.keys((await flow.stop()).outcomes)).toEqual(['ok']);
    expect((await lasting.stop()).missing).toBe(0);
    expect((await bench.client.getService(7)).status.realized['backend-addresses'].length).toBe(2);
  });
});

const shopFile = (pods: readonly AttachedPod[], port: number | string = 80): string => `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: ${VIP[4]}
  ports: [{port: ${port}, targetPort: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [${pods.map(({ ipv4 }) => `{addresses: [${ipv4}]}`).join(', ')}]
`;

describe('the service folder', () => {
  it('is followed; a broken file keeps its last accepted form, over a restart too, and is reported', async () => {
    await open(withServices());
    await bench.serviceFile('web.yaml', shopFile([one, two]));
    await expect.poll(() => reach(4, 'TCP')).toBe('ok');
    await bench.serviceFile('web.yaml', shopFile([one], 'http'));
    await expect.poll(async () => (await bench.client.listServiceFiles()).map(({ status }) => status)).toEqual(['last-accepted']);
    for (const restart of [false, true]) {
      if (restart) await bench.restart();
      expect(await reach(4, 'TCP')).toBe('ok');
      const [file] = await bench.client.listServiceFiles();
      expect(file).toMatchObject({ status: 'last-accepted', issues: [{ severity: 'error', line: 6, field: 'spec.ports[0].port', remedy: expect.any(String) }] });
      expect((await bench.client.healthz()).services).toMatchObject({ state: 'Warning', msg: expect.stringContaining('web.yaml:6') });
    }
    await bench.serviceFile('web.yaml', undefined);
    await expect.poll(() => reach(4, 'TCP')).not.toBe('ok');
    expect(await bench.client.listBpfServices()).toEqual([]);
  });
});

describe('backends that are endpoints of this node', () => {
  it('take connections while they are up, and are gone when deleted', async () => {
    await open();
    await bench.client.putService(7, request(4, [one, two]));
    const states = async () => (await bench.client.getService(7)).status.realized['backend-addresses'].map(({ ip, state }) => [ip, state]);
    expect(await states()).toEqual([[one.ipv4, 'active'], [two.ipv4, 'active']]);
    await one.pod.netlink.setLink('eth0', { up: false });
    await expect.poll(states).toEqual([[one.ipv4, 'maintenance'], [two.ipv4, 'active']]);
    expect(await times(5, () => reach(4, 'TCP'))).toEqual(['ok']);
    await one.pod.netlink.setLink('eth0', { up: true });
    await expect.poll(states).toEqual([[one.ipv4, 'active'], [two.ipv4, 'active']]);
    await bench.client.deleteEndpoint(one.id);
    await expect.poll(states).toEqual([[two.ipv4, 'active']]);
  });
});

describe('a backend that has gone', () => {
  it('ends the connections that sockets were led to it', async () => {
    await open({ flags: ['--bpf-lb-sock'] });
    await bench.client.putService(7, request(4, [one]));
    const flow = await client.probe.startFlow({ kind: 'tcp', address: VIP[4], port: 80, intervalMs: 5 });
    const own = await client.probe.startFlow({ kind: 'tcp', address: one.ipv4, port: 8080, intervalMs: 5 });
    await expect.poll(async () => (await flow.stats()).received).toBeGreaterThan(3);
    await bench.client.putService(7, request(4, [two]));
    // Where an answer was still unread, node makes an end of file of it.
    await expect.poll(async () => (await flow.stats()).broken?.code, { timeout: 20_000 }).toMatch(/^(ECONNABORTED|EOF)$/);
    expect((await own.stop()).broken).toBeUndefined();
    await flow.stop();
    expect(await reach(4, 'TCP')).toBe('ok');
  });
});

describe.each([[4, 'IPv6 only', '--enable-ipv4=false'], [6, 'IPv4 only', '--enable-ipv6=false']] as const)('a service with IPv%s on a node with %s', (family, _, flag) => {
  it('is listed with what is wrong, in the status too; one of the other family works', async () => {
    const other = family === 4 ? 6 : 4;
    await open({ flags: [flag] });
    const dead = family === 4 ? '198.51.100.1' : '2001:db8::1';
    const { status } = await bench.client.putService(7, { 'frontend-address': { ip: VIP[family], port: 80 }, 'backend-addresses': [{ ip: dead, port: 8080 }] });
    expect(status.problem).toMatch(`IPv${family} is switched off on this node, and the service has no other addresses (switch it on with enable-ipv${family}, or`);
    expect((await bench.client.healthz()).services).toMatchObject({ state: 'Warning', msg: expect.stringContaining(`IPv${family} is switched off`) });
    expect((await bench.client.putService(8, request(other, [one]))).status.problem).toBeUndefined();
    expect(await reach(other, 'TCP')).toBe('ok');
  });
});
