import { CONFIG_VARIABLES } from '@cilium-ts/datapath-layout';
import { openNamespace } from '@cilium-ts/netlink';
import { attachTc, createMap, openObject, openPinnedMap } from 'libbpf-napi';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { refusal } from '../support/bench.ts';
import { cnp, enforce, FAMILIES, openArena, PATIENCE } from './support/arena.ts';
import type { Arena, ArmedPod } from './support/arena.ts';

let arena: Arena;
afterEach(() => arena[Symbol.asyncDispose]());

const ALLOW_CLIENT = cnp('server', `
  endpointSelector: {matchLabels: {app: server}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts: [{ports: [{port: "80", protocol: TCP}]}]
`);
/** Whatever else it says, it would let in the other and keep out the client. */
const allowOther = (more: string): string => cnp('server', `
  endpointSelector: {matchLabels: {app: server}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: other}}]
${more}`);

const MANY_PREFIXES = Array.from({ length: 40 }, (_, n) => `198.18.${n}.0/24`);
const TOO_MANY = {
  'policy-map-full': `    - fromCIDR: [${MANY_PREFIXES.join(', ')}]\n      toPorts: [{ports: [{port: "80", protocol: TCP}]}]\n`,
  'rows-full': `    - fromEntities: [world]\n      toPorts: [{ports: [${Array.from({ length: 40 }, (_, n) => `{port: "${2000 + 3 * n}", protocol: TCP}`).join(', ')}]}]\n`,
} as const;

const outcomes = async (server: ArmedPod, ...from: readonly ArmedPod[]): Promise<string[]> =>
  (await Promise.all(from.flatMap(({ probe }) => FAMILIES.map((family) => probe.connect({ address: server.address(family), port: 80, timeoutMs: 800 }))))).map(({ outcome }) => outcome);

const ONLY_CLIENT = ['ok', 'ok', 'timeout', 'timeout'];
const ONLY_OTHER = ['timeout', 'timeout', 'ok', 'ok'];

describe.each([
  { reason: 'policy-map-full', flag: '--bpf-policy-map-max=24' },
  { reason: 'rows-full', flag: '--bpf-policy-rows-max=64' },
] as const)('$reason', ({ reason, flag }) => {
  it('keeps the old policy in force, says so, over a restart too, and recovers', async () => {
    arena = await openArena('full', { flags: [flag] });
    const [server, client, other] = [await arena.armed('server'), await arena.armed('client'), await arena.armed('other')];
    await server.probe.listen({ protocol: 'tcp', port: 80 });
    await enforce(arena, ALLOW_CLIENT);
    expect(await outcomes(server, client, other)).toEqual(ONLY_CLIENT);
    const change = await arena.client.importPolicy(allowOther(TOO_MANY[reason]));
    expect(change.failures).toEqual([expect.objectContaining({ 'endpoint-id': server.id, reason })]);
    expect(await outcomes(server, client, other)).toEqual(ONLY_CLIENT);
    const { status } = await arena.client.getEndpoint(server.id);
    expect(status.health).toMatchObject({ policy: 'Warning' });
    expect(status.policy.realized['policy-revision']).toBeLessThan(change.revision);
    expect(status.log.some(({ code, message }) => code === 'failed' && message.includes('kept-old-policy'))).toBe(true);
    expect((await arena.client.healthz()).cilium?.state).not.toBe('Ok');
    // Who comes anew has no old policy: it is refused, and its namespace stays as it was.
    const pod = await arena.node.createPod('late');
    const error = await refusal(arena.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': 'late', labels: ['app=server'] }));
    expect(error.message).toMatch(/policy can not be put in force/);
    expect(await pod.netlink.getLink('eth0')).toBeUndefined();
    await arena.restart();
    expect((await outcomes(server, client, other)).slice(2)).toEqual(['timeout', 'timeout']);
    await expect.poll(async () => (await arena.client.getEndpoint(server.id)).status.health.policy, { timeout: PATIENCE }).toMatch(/^(Warning|Failure)$/);
    await enforce(arena, allowOther(''));
    expect(await outcomes(server, client, other)).toEqual(ONLY_OTHER);
    expect((await arena.client.getEndpoint(server.id)).status.health).toMatchObject({ policy: 'OK', overallHealth: 'OK' });
  });
});

describe('addresses that do not fit', () => {
  it('a pod whose address does not fit is not made; those that are stay as they are', async () => {
    arena = await openArena('full', { flags: ['--bpf-address-map-max=24'] });
    const [server, client, other] = [await arena.armed('server'), await arena.armed('client'), await arena.armed('other')];
    await server.probe.listen({ protocol: 'tcp', port: 80 });
    await enforce(arena, ALLOW_CLIENT);
    let refused: Error | undefined;
    for (let n = 0; n < 16 && !refused; n++) {
      const pod = await arena.node.createPod(`more-${n}`);
      await arena.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': `more-${n}`, labels: ['app=more'] }).catch(async (error: Error) => {
        refused = error;
        expect(await pod.netlink.getLink('eth0')).toBeUndefined();
      });
    }
    expect(refused?.message).toMatch(/policy can not be put in force.*(full|room)/s);
    expect(await outcomes(server, client, other)).toEqual(ONLY_CLIENT);
    expect((await arena.client.getEndpoint(server.id)).status.health.overallHealth).toBe('OK');
  });

  it('a prefix that does not fit opens nothing that a rule about it closes', async () => {
    arena = await openArena('full', { flags: ['--bpf-prefix-map-max=4'] });
    const denied = cnp('server', `
  endpointSelector: {matchLabels: {app: server}}
  ingress:
    - fromEntities: [world]
  ingressDeny:
    - fromCIDR: [${MANY_PREFIXES.join(', ')}, 198.51.100.0/24]
`);
    const [server, client, other] = [await arena.armed('server'), await arena.armed('client'), await arena.armed('other')];
    await server.probe.listen({ protocol: 'tcp', port: 80 });
    await enforce(arena, ALLOW_CLIENT);
    const { failures } = await arena.client.importPolicy(denied);
    expect(failures).toEqual([expect.objectContaining({ 'endpoint-id': server.id, reason: 'prefixes-full' })]);
    expect((await arena.client.getEndpoint(server.id)).status.health).toMatchObject({ policy: 'Warning' });
    const outside = await arena.outside.probe();
    const fromOutside = () => outside.connect({ address: server.ipv4, port: 80, localAddress: '198.51.100.10', timeoutMs: 800 });
    expect((await fromOutside()).outcome).toBe('timeout');
    expect(await outcomes(server, client, other)).toEqual(ONLY_CLIENT);
    const pod = await arena.node.createPod('late');
    const error = await refusal(arena.client.createEndpoint({ 'container-netns-path': pod.netns, 'container-name': 'late', labels: ['app=server'] }));
    expect(error.message).toMatch(/policy can not be put in force/);
    expect(await pod.netlink.getLink('eth0')).toBeUndefined();
    // What fits is taken, and shows that the world is what the rest of the policy lets in.
    // Its prefix comes before those that it replaces go: the second attempt, which the agent would make by itself, has room.
    const fitting = denied.replace(`${MANY_PREFIXES.join(', ')}, 198.51.100.0/24`, '198.18.0.0/15');
    await arena.client.importPolicy(fitting);
    await enforce(arena, fitting);
    expect((await fromOutside()).outcome).toBe('ok');
  });
});

describe('a flow table that takes nothing', () => {
  /** Puts the same programs over the same maps in place, but for the flow table: a hash of one entry, which is taken. */
  const cripple = async (pods: readonly ArmedPod[]): Promise<() => void> => {
    const bpf = arena.node.folders.bpf;
    const object = openObject(fileURLToPath(new URL('../../../../packages/datapath-programs/objects/bpf_lxc.o', import.meta.url)));
    using flows = openPinnedMap(join(bpf, 'cilium_flows'));
    const { keySize, valueSize } = flows;
    const full = createMap({ type: 'hash', name: 'full', keySize, valueSize, maxEntries: 1 });
    full.update(new Uint8Array(keySize), new Uint8Array(valueSize));
    const pinned = [...object.maps.keys()].filter((name) => existsSync(join(bpf, name))).map((name) => [name, openPinnedMap(join(bpf, name))] as const);
    for (const [name, map] of pinned) object.reuseMap(name, name === 'cilium_flows' ? full : map);
    object.setConfig(`config_${CONFIG_VARIABLES.jiffiesPerSecond.variable.replace(/^config_/, '')}`, 250);
    object.setAutoload('cil_clock', false);
    const loaded = await object.load();
    using netns = openNamespace(arena.node.netns);
    netns.run(() => {
      for (const { endpoint } of pods) {
        const place = { ifindex: endpoint.status.networking['interface-index'], priority: 1, handle: 0x4349, replace: true } as const;
        attachTc({ ...place, direction: 'egress', program: loaded.program('cil_to_container') });
        attachTc({ ...place, direction: 'ingress', program: loaded.program('cil_from_container') });
      }
    });
    return () => {
      loaded.close();
      full.close();
      for (const [, map] of pinned) map.close();
    };
  };

  it('leaves each packet to policy, and counts', async () => {
    arena = await openArena('noflows');
    const [server, client, other] = [await arena.armed('server'), await arena.armed('client'), await arena.armed('other')];
    await server.probe.listen({ protocol: 'tcp', port: 80 });
    for (const protocol of ['tcp', 'udp'] as const) await server.probe.listen({ protocol, port: 53 });
    await enforce(arena, ALLOW_CLIENT, cnp('client', `\n  endpointSelector: {matchLabels: {app: client}}\n  ingress:\n    - fromEndpoints: [{matchLabels: {app: nobody}}]\n`));
    const close = await cripple([server, client, other]);
    try {
      const failed = async () => (await arena.client.listBpfMetrics()).filter(({ reason }) => reason === 155).reduce((sum, { packets }) => sum + packets, 0);
      const before = await failed();
      // TCP goes on: an answer is known by the socket it is for.
      expect(await outcomes(server, client, other)).toEqual(ONLY_CLIENT);
      expect((await failed()) - before).toBeGreaterThan(8);
      expect(await arena.client.listBpfFlows()).toEqual([]);
      for (const family of FAMILIES) {
        expect((await client.probe.udp({ address: server.address(family), port: 53, timeoutMs: 700 })).outcome).toBe('timeout');
        expect((await client.probe.connect({ address: server.address(family), port: 53, timeoutMs: 700 })).outcome).toBe('timeout');
        expect((await server.probe.connect({ address: client.address(family), port: 80, timeoutMs: 700 })).outcome).toBe('timeout');
      }
      // A change of policy holds at once, for want of any entry.
      await enforce(arena, allowOther(''));
      expect(await outcomes(server, client, other)).toEqual(ONLY_OTHER);
    } finally {
      close();
    }
  });
});
