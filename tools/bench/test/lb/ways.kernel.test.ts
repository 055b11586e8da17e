import { createTestbed } from '@cilium-ts/testbed';
import { expect, it } from 'vitest';
import { buildTraffic } from '../../src/build-tools.ts';
import { run } from '../../src/command.ts';
import { BACKEND_PORT, createWays } from '../../src/lb/crr-ways.ts';
import { createPair } from '../../src/tcp/pair.ts';

it('every way leads from its service to the server, and no packet of ours carries a service address', { timeout: 180_000 }, async () => {
  await using testbed = createTestbed({ name: 'bench-ways' });
  await using pair = await createPair(testbed, BACKEND_PORT);
  const kinds = ['sockets', 'iptables', 'iptables-legacy', 'nftables'] as const;
  const surroundings = { testbed, pair, progress: () => undefined, signal: new AbortController().signal };
  const ways = await createWays(kinds.map((kind) => ({ kind, count: 5 })), surroundings);
  const connect = (address: string, port: number, cgroup: string): Promise<string> =>
    run([buildTraffic(), 'crr', pair.from.pod.netns, pair.to.pod.netns, address, String(port), '0.001', String(BACKEND_PORT)], { cgroup });
  for (const { address, port, cgroup } of ways) expect(Number(await connect(address, port, cgroup))).toBeGreaterThan(0);
  const [ours, rival] = ways;
  // Outside the cgroup of our sockets the address means nothing: it would be dropped, or answered by nobody.
  const elsewhere = run(['timeout', '2', buildTraffic(), 'crr', pair.from.pod.netns, pair.to.pod.netns, ours!.address, String(ours!.port), '0.001', String(BACKEND_PORT)], { cgroup: rival!.cgroup });
  await expect(elsewhere).rejects.toThrow('failed');
});
