import { afterEach, describe, expect, it } from 'vitest';
import { allowIngress, openBench, refusal, tcp } from '../support/bench.ts';
import type { Bench } from '../support/bench.ts';

let bench: Bench;
afterEach(() => bench[Symbol.asyncDispose]());

/** Allows ingress to web from each of many prefixes, each on a port of its own: an identity and a row for each. */
const manyPrefixes = (count: number, port: number) => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: many}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
${Array.from({ length: count }, (_, at) => `    - {fromCIDR: [198.51.${at}.0/24], toPorts: [{ports: [{port: "${port + at}", protocol: TCP}]}]}`).join('\n')}
`;

const serve = async (flags: string[]) => {
  bench = await openBench('full', { flags });
  const [web, client, other] = [await bench.pod('web'), await bench.pod('client'), await bench.pod('other')];
  await web.probe.listen({ protocol: 'tcp', port: 80 });
  return { web, client, other };
};

describe('a map that is full', () => {
  it.each([
    ['policy', ['--bpf-policy-map-max=16']],
    ['rows', ['--bpf-policy-rows-max=64']],
  ])('of %s: the endpoint stays at its old policy and says so; it recovers when there is room', async (_, flags) => {
    const { web, client, other } = await serve(flags);
    await bench.client.importPolicy(allowIngress('web', 'web', 'client'));
    const matrix = async () => Promise.all([tcp(client, web.ipv4), tcp(other, web.ipv4)]);
    expect(await matrix()).toEqual(['ok', 'timeout']);
    const change = await bench.client.importPolicy(manyPrefixes(60, 1000));
    expect(change.failures).toEqual([{ 'endpoint-id': web.id, reason: expect.any(String), message: expect.stringMatching(/cilium_policy|cilium_rows/) }]);
    expect(await matrix()).toEqual(['ok', 'timeout']);
    const { status } = await bench.client.getEndpoint(web.id);
    expect(status).toMatchObject({ state: 'not-ready', health: { overallHealth: 'Warning', policy: 'Warning' } });
    expect(status.policy.realized['policy-revision']).toBeLessThan(status.policy.spec['policy-revision']);
    expect((await bench.client.healthz()).datapath).toMatchObject({ state: 'Failure', msg: expect.stringContaining(`endpoint ${web.id}`) });
    await bench.restart();
    expect((await matrix())[1]).toBe('timeout');
    await bench.client.deletePolicy({ kind: 'CiliumNetworkPolicy', name: 'many' });
    await expect.poll(matrix, { timeout: 10_000 }).toEqual(['ok', 'timeout']);
    await expect.poll(async () => (await bench.client.getEndpoint(web.id)).status.state, { timeout: 10_000 }).toBe('ready');
  });

  it('of addresses: an endpoint that would not fit is refused, and nothing of it is left', async () => {
    await serve(['--bpf-address-map-max=16']);
    const fit: string[] = [];
    let message = '';
    for (let at = 0; at < 8 && message === ''; at++) {
      const pod = await bench.node.createPod(`more${at}`);
      const made = bench.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': `more${at}`, labels: ['app=more'] });
      const error = await made.then(() => undefined, (caught: unknown) => caught);
      if (error === undefined) {
        fit.push(pod.name);
        continue;
      }
      const refused = await refusal(Promise.reject(error));
      message = refused.message;
      expect(refused).toMatchObject({ status: 500, reason: 'not-enforced' });
      expect(await pod.netlink.getLink('eth0')).toBeUndefined();
    }
    expect(message).toMatch(/address/i);
    expect((await bench.client.listEndpoints()).length).toBe(3 + fit.length);
    expect((await bench.client.listEndpoints()).every(({ status }) => status.state === 'ready')).toBe(true);
  });
});
