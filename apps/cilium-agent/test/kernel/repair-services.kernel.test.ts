import { openPinnedLink } from 'libbpf-napi';
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openBench } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
afterEach(() => bench[Symbol.asyncDispose]());

const links = (): string => join(bench.node.folders.bpf, 'links');
const linkNames = (pattern: RegExp): string[] => readdirSync(links()).filter((name) => pattern.test(name));
/** As `bpftool link detach` does; or the pin is removed, and with it the link. */
const takeOff = (name: string, how: 'detach' | 'unpin'): void => {
  const path = join(links(), name);
  if (how === 'unpin') return unlinkSync(path);
  using link = openPinnedLink(path);
  link.detach();
};
const kernel = async (): Promise<string> => (await bench.client.healthz()).parts['kernel']?.msg ?? '';
const repaired = async (kind: string): Promise<number> => Number(new RegExp(`${kind}: \\d+ kept, (\\d+) repaired`).exec(await kernel())?.[1]);

describe.each(['detach', 'unpin'] as const)('programs that somebody takes off (%s)', (how) => {
  it.each([
    { kind: 'node-programs', pattern: /^netdev_ingress_/, flags: [] },
    { kind: 'node-programs', pattern: /^netdev_egress_/, flags: [] },
    { kind: 'xdp-programs', pattern: /^xdp_/, flags: ['--bpf-lb-acceleration=generic'] },
  ])('devices get theirs back: $pattern', async ({ kind, pattern, flags }) => {
    bench = await openBench('repair-devices', { flags: ['--reconcile-interval=1', '--kube-proxy-replacement', ...flags] });
    const outside = await bench.testbed.createOutside();
    const { nodeIpv4 } = await outside.connect(bench.node);
    const pod: AttachedPod = await bench.pod('one');
    await pod.probe.listen({ protocol: 'tcp', port: 8080 });
    await bench.client.putService(1, { 'frontend-address': { ip: '0.0.0.0', port: 30_080 }, 'backend-addresses': [{ ip: pod.ipv4, port: 8080 }], flags: { type: 'NodePort' } });
    const client = await outside.probe();
    const reach = async (): Promise<string> => (await client.connect({ address: nodeIpv4, port: 30_080, timeoutMs: 500 })).outcome;
    await expect.poll(reach, { timeout: 20_000 }).toBe('ok');
    await expect.poll(() => repaired(kind), { timeout: 20_000 }).toBe(0);
    const [name] = linkNames(pattern);
    takeOff(name!, how);
    await expect.poll(() => repaired(kind), { timeout: 20_000 }).toBeGreaterThan(0);
    expect(linkNames(pattern)).toEqual([name]);
    await expect.poll(reach, { timeout: 20_000 }).toBe('ok');
    // And it is left alone from then on.
    const count = await repaired(kind);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await repaired(kind)).toBe(count);
  });

  it('the cgroup gets those of sockets back', async () => {
    bench = await openBench('repair-sockets', { flags: ['--reconcile-interval=1', '--bpf-lb-sock'] });
    const [server, client] = [await bench.pod('server'), await bench.pod('client')];
    await server.probe.listen({ protocol: 'tcp', port: 8080 });
    await bench.client.putService(1, { 'frontend-address': { ip: '10.96.0.7', port: 80 }, 'backend-addresses': [{ ip: server.ipv4, port: 8080 }] });
    const reach = async (): Promise<string | undefined> => (await client.probe.connect({ address: '10.96.0.7', port: 80, timeoutMs: 500 })).outcome;
    await expect.poll(reach, { timeout: 20_000 }).toBe('ok');
    await expect.poll(() => repaired('socket-programs'), { timeout: 20_000 }).toBe(0);
    const before = linkNames(/^cil_sock/);
    takeOff('cil_sock4_connect', how);
    await expect.poll(() => repaired('socket-programs'), { timeout: 20_000 }).toBe(1);
    expect(linkNames(/^cil_sock/)).toEqual(before);
    using link = openPinnedLink(join(links(), 'cil_sock4_connect'));
    expect(link.info.cgroupId).toBeGreaterThan(0n);
    await expect.poll(reach, { timeout: 20_000 }).toBe('ok');
  });
});
