import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBench, tcp } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

/** Denials show as time-outs, and a changed policy is in force after some milliseconds. */
const PATIENCE = { timeout: 8000, interval: 20 };

let bench: Bench;
beforeEach(async () => {
  bench = await openBench('kinds');
});
afterEach(() => bench[Symbol.asyncDispose]());

const networkPolicy = (from: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: ${from}}}}]
`;

const adminPolicy = (action: 'Allow' | 'Deny' | 'Pass', from: string): string => `
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: admin}
spec:
  priority: 10
  subject: {namespaces: {}}
  ingress:
    - action: ${action}
      from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: ${from}}}}}]
`;

const baselinePolicy = `
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec:
  subject: {namespaces: {}}
  ingress:
    - action: Deny
      from: [{namespaces: {}}]
`;

describe('tiers, on real connections', () => {
  let [web, client, other]: AttachedPod[] = [];
  beforeEach(async () => {
    [web, client, other] = [await bench.pod('web'), await bench.pod('client'), await bench.pod('other')];
    await web!.probe.listen({ protocol: 'tcp', port: 80 });
  });
  /** The client by IPv4, the other by IPv6. */
  const reached = () => Promise.all([tcp(client!, web!.ipv4), tcp(other!, web!.ipv6)]);

  it('what an AdminNetworkPolicy denies no NetworkPolicy allows, and the other way round; passing leaves it to it', async () => {
    await bench.policy('np.yaml', networkPolicy('client'));
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'timeout']);
    await bench.policy('anp.yaml', adminPolicy('Deny', 'client'));
    await expect.poll(reached, PATIENCE).toEqual(['timeout', 'timeout']);
    await bench.policy('anp.yaml', adminPolicy('Allow', 'other'));
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'ok']);
    await bench.policy('anp.yaml', adminPolicy('Pass', 'other'));
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'timeout']);
    await bench.policy('anp.yaml', undefined);
    await bench.policy('np.yaml', undefined);
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'ok']);
  });

  it('what nothing else decides the baseline does, over a restart too', async () => {
    await bench.policy('banp.yaml', baselinePolicy);
    await expect.poll(reached, PATIENCE).toEqual(['timeout', 'timeout']);
    await bench.policy('anp.yaml', adminPolicy('Allow', 'other'));
    await expect.poll(reached, PATIENCE).toEqual(['timeout', 'ok']);
    await bench.policy('np.yaml', networkPolicy('client'));
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'ok']);
    await bench.restart();
    expect(await reached()).toEqual(['ok', 'ok']);
    await bench.policy('np.yaml', undefined);
    await expect.poll(reached, PATIENCE).toEqual(['timeout', 'ok']);
  });
});

describe('a CiliumCIDRGroup, on real connections', () => {
  const policy = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: out}
spec:
  endpointSelector: {matchLabels: {app: client}}
  egress: [{toCIDRSet: [{cidrGroupRef: partners}]}]
`;
  const group = (...prefixes: string[]): string => `
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: partners}
spec: {externalCIDRs: [${prefixes.map((prefix) => JSON.stringify(prefix)).join(', ')}]}
`;

  it('opens what is in it, and a change of it takes effect for the policies that name it', async () => {
    const outside = await bench.testbed.createOutside();
    await outside.connect(bench.node);
    const probe = await outside.probe();
    await probe.listen({ protocol: 'tcp', port: 443 });
    const client = await bench.pod('client');
    const [v4, v6] = [outside.addresses.find((address) => !address.includes(':'))!, outside.addresses.find((address) => address.includes(':'))!];
    const reached = () => Promise.all([tcp(client, v4, 443), tcp(client, v6, 443)]);
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'ok']);
    await bench.policy('out.yaml', policy);
    await expect.poll(reached, PATIENCE).toEqual(['timeout', 'timeout']);
    await bench.policy('group.yaml', group(`${v4}/32`));
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'timeout']);
    await bench.policy('group.yaml', group(`${v6}/128`));
    await expect.poll(reached, PATIENCE).toEqual(['timeout', 'ok']);
    await bench.policy('group.yaml', group('192.0.2.0/24', `${v4}/32`, `${v6}/128`));
    await expect.poll(reached, PATIENCE).toEqual(['ok', 'ok']);
    await bench.policy('group.yaml', undefined);
    await expect.poll(reached, PATIENCE).toEqual(['timeout', 'timeout']);
  });
});
