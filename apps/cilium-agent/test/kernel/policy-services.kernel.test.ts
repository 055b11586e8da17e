import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBench, refusal, tcp, withServices } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

/** Denials show as time-outs, and a changed file is in force after some milliseconds. */
const PATIENCE = { timeout: 8000, interval: 20 };
const VIP = { 4: '10.96.0.7', 6: 'fd00:96::7' } as const;

const policy = (field: 'egress' | 'egressDeny', reference: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: uses-${field.toLowerCase()}, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: client}}
  ${field}: [{toServices: [${reference}]}]
${field === 'egress' ? '' : '  enableDefaultDeny: {egress: false}\n'}`;
const BY_NAME = '{k8sService: {serviceName: legacy, namespace: shop}}';
const BY_LABELS = '{k8sServiceSelector: {selector: {matchLabels: {kind: old}}}}';

interface Given {
  readonly backends?: readonly string[];
  readonly labels?: string;
  readonly selector?: string;
  readonly namespace?: string;
}

/** A Service of both families, with a slice for each family of its backends. */
const service = ({ backends = [], labels = '{}', selector, namespace = 'shop' }: Given): string => {
  const slice = (family: 4 | 6) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: legacy-${family}, namespace: ${namespace}, labels: {kubernetes.io/service-name: legacy}}
addressType: IPv${family}
ports: [{port: 443, protocol: TCP}]
endpoints: [${backends.filter((ip) => ip.includes(':') === (family === 6)).map((ip) => `{addresses: ["${ip}"]}`).join(', ')}]
`;
  return `
apiVersion: v1
kind: Service
metadata: {name: legacy, namespace: ${namespace}, labels: ${labels}}
spec:
  clusterIPs: ["${VIP[4]}", "${VIP[6]}"]
  ipFamilyPolicy: RequireDualStack
  ports: [{port: 80, targetPort: 443, protocol: TCP}]
${selector === undefined ? '' : `  selector: ${selector}\n`}${slice(4)}${slice(6)}`;
};

let bench: Bench;
let client: AttachedPod;
let outside: { readonly v4: string; readonly v6: string };
beforeEach(async () => {
  bench = await openBench('references', withServices());
  const host = await bench.testbed.createOutside();
  await host.connect(bench.node);
  await (await host.probe()).listen({ protocol: 'tcp', port: 443 });
  outside = { v4: host.addresses.find((address) => !address.includes(':'))!, v6: host.addresses.find((address) => address.includes(':'))! };
  client = await bench.pod('client');
});
afterEach(() => bench[Symbol.asyncDispose]());

/** The two addresses themselves. */
const direct = () => Promise.all([tcp(client, outside.v4, 443), tcp(client, outside.v6, 443)]);
/** By way of the service. */
const served = () => Promise.all([tcp(client, VIP[4]), tcp(client, VIP[6])]);

describe.each([['by name', BY_NAME], ['by labels', BY_LABELS]])('toServices %s', (_, reference) => {
  it('opens the backends of a service without selector, as they come and go, over restarts too', async () => {
    await bench.policy('uses.yaml', policy('egress', reference));
    await expect.poll(direct, PATIENCE).toEqual(['timeout', 'timeout']);
    const labels = '{kind: old}';
    await bench.serviceFile('legacy.yaml', service({ labels, backends: [outside.v4] }));
    await expect.poll(direct, PATIENCE).toEqual(['ok', 'timeout']);
    await bench.serviceFile('legacy.yaml', service({ labels, backends: [outside.v6] }));
    await expect.poll(direct, PATIENCE).toEqual(['timeout', 'ok']);
    await bench.serviceFile('legacy.yaml', service({ labels, backends: [outside.v4, outside.v6] }));
    await expect.poll(direct, PATIENCE).toEqual(['ok', 'ok']);
    await expect.poll(served, PATIENCE).toEqual(['ok', 'ok']);
    await bench.restart();
    expect([await direct(), await served()]).toEqual([['ok', 'ok'], ['ok', 'ok']]);
    // One that is not meant any more: of another namespace, or without the labels.
    await bench.serviceFile('legacy.yaml', reference === BY_NAME ? service({ namespace: 'default', backends: [outside.v4, outside.v6] }) : service({ backends: [outside.v4, outside.v6] }));
    await expect.poll(direct, PATIENCE).toEqual(['timeout', 'timeout']);
    await bench.serviceFile('legacy.yaml', service({ labels, backends: [outside.v4, outside.v6] }));
    await expect.poll(direct, PATIENCE).toEqual(['ok', 'ok']);
    await bench.serviceFile('legacy.yaml', undefined);
    await expect.poll(direct, PATIENCE).toEqual(['timeout', 'timeout']);
  });

  it('denies what it names, from the first packet after a restart on', async () => {
    await bench.serviceFile('legacy.yaml', service({ labels: '{kind: old}', backends: [outside.v4] }));
    await bench.policy('denied.yaml', policy('egressDeny', reference));
    await expect.poll(direct, PATIENCE).toEqual(['timeout', 'ok']);
    expect(await bench.client.listPolicyServices()).toEqual([{ namespace: 'shop', name: 'legacy', labels: { kind: 'old' }, addresses: [`${outside.v4}/32`] }]);
    await bench.agent.stop();
    await bench.serviceFile('legacy.yaml', service({ labels: '{kind: old}', backends: [outside.v4, outside.v6] }));
    await bench.restart();
    expect(await direct()).toEqual(['timeout', 'timeout']);
    expect(await served()).toEqual(['timeout', 'timeout']);
    await bench.serviceFile('legacy.yaml', undefined);
    await expect.poll(direct, PATIENCE).toEqual(['ok', 'ok']);
  });
});

it('means the pods of a service with a selector, wherever they are', async () => {
  const [web, other] = [await bench.pod('web', ['app=web', 'io.kubernetes.pod.namespace=shop']), await bench.pod('other')];
  for (const pod of [web, other]) await pod.probe.listen({ protocol: 'tcp', port: 80 });
  const reached = () => Promise.all([tcp(client, web.ipv4), tcp(client, web.ipv6), tcp(client, other.ipv4)]);
  await bench.policy('uses.yaml', policy('egress', BY_NAME));
  await expect.poll(reached, PATIENCE).toEqual(['timeout', 'timeout', 'timeout']);
  await bench.serviceFile('legacy.yaml', service({ selector: '{app: web}', backends: [other.ipv4] }));
  await expect.poll(reached, PATIENCE).toEqual(['ok', 'ok', 'timeout']);
  expect(await bench.client.listPolicyServices()).toEqual([{ namespace: 'shop', name: 'legacy', labels: {}, selector: { app: 'web' }, addresses: [] }]);
  await bench.serviceFile('legacy.yaml', service({ selector: '{app: none}', backends: [other.ipv4] }));
  await expect.poll(reached, PATIENCE).toEqual(['timeout', 'timeout', 'timeout']);
});

it('is refused by an agent that is told of no services, and locks down where it was accepted before', async () => {
  await bench.serviceFile('legacy.yaml', service({ backends: [outside.v4] }));
  await bench.policy('uses.yaml', policy('egress', BY_NAME));
  await expect.poll(direct, PATIENCE).toEqual(['ok', 'timeout']);
  await bench.restart({ flags: [] });
  expect(await direct()).toEqual(['timeout', 'timeout']);
  const { message } = await refusal(bench.client.importPolicy(policy('egressDeny', BY_LABELS)));
  expect(message).toMatch(/toServices cannot be enforced: the agent is not told of services.*--service-dir/);
  await bench.restart();
  expect(await direct()).toEqual(['ok', 'timeout']);
});
