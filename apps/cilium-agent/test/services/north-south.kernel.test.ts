import { parseIp } from '@cilium-ts/core';
import type { Attempt } from '@cilium-ts/testbed';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dropped, FAMILIES, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { CLIENT, frontend, openCluster, OTHER_CLIENT, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

/** Services by the last number of their addresses and NodePorts. */
const [HERE, THERE, LOCAL, RANGED, NOBODY, STICKY, GUARDED_HERE, GUARDED_THERE] = [1, 2, 3, 4, 5, 6, 7, 8];
const [NO_SERVICE, SOURCE_RANGE] = [158, 177];
type Protocol = 'TCP' | 'UDP';
const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP'];

describe.each(['snat', 'dsr', 'hybrid'] as const)('clients outside, mode %s', (mode) => {
  let cluster: Cluster;
  let here: Server;
  let there: Server;

  beforeAll(async () => {
    cluster = await openCluster(`ns-${mode}`, [`--bpf-lb-mode=${mode}`]);
    const [first, second] = cluster.members;
    [here, there] = [await first.pod('here'), await second.pod('there')];
    for (const [prefix, member] of [['172.20.0.0/16', first], ['172.21.0.0/16', first], ['10.96.0.0/24', first], ['fd00:172:20::/64', first], ['fd00:172:21::/64', first], ['fd00:96::/64', first]] as const) await cluster.outside.route(prefix, member.node);
    await cluster.services(services([CLIENT, OTHER_CLIENT]));
    for (const { client } of cluster.members) await vi.waitFor(async () => { expect((await client.listBpfServices()).length).toBeGreaterThan(70); }, PATIENCE);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const rangesOf = (clients: readonly (typeof CLIENT | typeof OTHER_CLIENT)[]): string => `  loadBalancerSourceRanges: [${clients.map((each) => `"${each[4]}/32", "${each[6]}/128"`).join(', ')}]`;
  /** Everything, where two of them accept these clients only. */
  const services = (accepted: readonly (typeof CLIENT | typeof OTHER_CLIENT)[]): string => [
    serviceOf('here', HERE, [[here, 'n0']]),
    serviceOf('there', THERE, [[there, 'n1']]),
    serviceOf('local', LOCAL, [[here, 'n0'], [there, 'n1']], '  externalTrafficPolicy: Local'),
    serviceOf('ranged', RANGED, [[there, 'n1']], rangesOf([OTHER_CLIENT])),
    serviceOf('nobody', NOBODY, []),
    serviceOf('sticky', STICKY, [[here, 'n0'], [there, 'n1']], '  sessionAffinity: ClientIP'),
    serviceOf('guarded-here', GUARDED_HERE, [[here, 'n0']], rangesOf(accepted)),
    serviceOf('guarded-there', GUARDED_THERE, [[there, 'n1']], rangesOf(accepted)),
  ].join('');

  const node = (family: Family): string => parseIp(family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6)!.text;
  const ask = (protocol: Protocol, ...[address, port, payload, localAddress, timeoutMs = 5000]: [string, number, string, string, number?]): Promise<Attempt> => {
    const target = { address, port, payload, timeoutMs, localAddress };
    return protocol === 'TCP' ? cluster.client.connect(target) : cluster.client.udp(target);
  };
  const direct = (protocol: Protocol): boolean => mode === 'dsr' || (mode === 'hybrid' && protocol === 'TCP');

  describe.each(FAMILIES)('IPv%i', (family) => {
    describe.each(PROTOCOLS)('%s', (protocol) => {
      const ways = (number: number) => [['NodePort', node(family), 30_000 + number], ['ExternalIP', frontend('ExternalIP', number, family), 80], ['LoadBalancer', frontend('LoadBalancer', number, family), 80]] as const;

      it("reach a backend of the node, which sees the client's own address", async () => {
        for (const [kind, address, port] of ways(HERE)) {
          const text = `here-${kind}-${protocol}-${family}`;
          expect({ kind, outcome: (await ask(protocol, address, port, text, CLIENT[family])).outcome }).toEqual({ kind, outcome: 'ok' });
          expect(here.sourcesOf(text)).toEqual([CLIENT[family]]);
        }
      });

      it('reach a backend of the other node', async () => {
        for (const [kind, address, port] of ways(THERE)) {
          const text = `there-${kind}-${protocol}-${family}`;
          expect({ kind, outcome: (await ask(protocol, address, port, text, CLIENT[family])).outcome }).toEqual({ kind, outcome: 'ok' });
          expect(there.sourcesOf(text)).toEqual([direct(protocol) ? CLIENT[family] : node(family)]);
        }
      });

      it('reach only backends of the node under externalTrafficPolicy Local', async () => {
        for (let at = 0; at < 8; at++) expect((await ask(protocol, node(family), 30_000 + LOCAL, `local-${protocol}-${family}`, CLIENT[family])).outcome).toBe('ok');
        expect(here.sourcesOf(`local-${protocol}-${family}`)).toEqual([CLIENT[family]]);
        expect(there.sourcesOf(`local-${protocol}-${family}`)).toEqual([]);
      });

      it('are held to source ranges, counted', async () => {
        const before = await dropped(cluster.members[0], SOURCE_RANGE);
        const address = frontend('LoadBalancer', RANGED, family);
        expect((await ask(protocol, address, 80, 'in', OTHER_CLIENT[family])).outcome).toBe('ok');
        expect((await ask(protocol, address, 80, 'out', CLIENT[family], 300)).outcome).toBe('timeout');
        expect(await dropped(cluster.members[0], SOURCE_RANGE)).toBeGreaterThan(before);
        expect(there.sourcesOf('out')).toEqual([]);
      });

      it('are refused at once where there is no backend, counted', async () => {
        const before = await dropped(cluster.members[0], NO_SERVICE);
        for (const [, address, port] of ways(NOBODY)) expect(['refused', 'unreachable']).toContain((await ask(protocol, address, port, 'x', CLIENT[family])).outcome);
        expect(await dropped(cluster.members[0], NO_SERVICE)).toBeGreaterThanOrEqual(before + 3);
      });

      it('stay with one backend under session affinity', async () => {
        const text = `sticky-${protocol}-${family}`;
        for (let at = 0; at < 10; at++) expect((await ask(protocol, node(family), 30_000 + STICKY, text, CLIENT[family])).outcome).toBe('ok');
        expect([here, there].filter((each) => each.sourcesOf(text).length > 0)).toHaveLength(1);
      });

      it('do not reach ClusterIPs, nor other ports of a load balancer', async () => {
        expect((await ask(protocol, frontend('ClusterIP', HERE, family), 80, 'x', CLIENT[family], 300)).outcome).not.toBe('ok');
        expect((await ask(protocol, frontend('LoadBalancer', HERE, family), 8080, 'x', CLIENT[family], 300)).outcome).not.toBe('ok');
      });
    });
  });

  it('are cut off in the middle of a connection when source ranges come to refuse them; others are not', async () => {
    const flows = await Promise.all(FAMILIES.flatMap((family) => [GUARDED_HERE, GUARDED_THERE].flatMap((number) => [CLIENT, OTHER_CLIENT].map(async (from) => {
      const flow = await cluster.client.startFlow({ kind: 'tcp', address: frontend('LoadBalancer', number, family), port: 80, localAddress: from[family], intervalMs: 50 });
      return { flow, accepted: from === OTHER_CLIENT, what: `${number} IPv${family}` };
    }))));
    const received = async () => Promise.all(flows.map(async ({ flow }) => (await flow.stats()).received));
    const before = await received();
    await expect.poll(async () => (await received()).every((count, at) => count > before[at]! + 3), { timeout: PATIENCE }).toBe(true);
    await cluster.services(services([OTHER_CLIENT]));
    // Of whom nothing comes any more, while others get on.
    await expect.poll(async () => {
      const from = await received();
      await expect.poll(async () => (await received()).every((count, at) => !flows[at]!.accepted || count > from[at]! + 5), { timeout: PATIENCE }).toBe(true);
      const to = await received();
      return flows.filter(({ accepted }, at) => !accepted && to[at]! > from[at]!).map(({ what }) => what);
    }, { timeout: PATIENCE }).toEqual([]);
    await Promise.all(flows.map(({ flow }) => flow.stop()));
  });
});
