import { openPinnedMap } from 'libbpf-napi';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cnp, datagram, dropped, FAMILIES, openArena, PATIENCE, REASON } from './support/arena.ts';
import type { Arena, ArmedPod, Family } from './support/arena.ts';
import { replacePolicies } from './support/replacing.ts';
import type { Replacing } from './support/replacing.ts';

const RATE = 50;
const SECONDS = 30;

/** By UDP port: what the sets make of it. Both say yes to TCP 80 and UDP 53. */
const PORT = {
  /** A's egress and B's ingress let it through; A's ingress and B's egress do not. */
  mixAB: 7000,
  /** The other way round. */
  mixBA: 7001,
  /** Nothing lets it through. */
  never: 7002,
  /** The same, by an explicit deny in one set and by default in the other. */
  neverExplicit: 7003,
  /** A lets it through, B does not: shows that the sets do alternate. */
  onlyA: 7004,
} as const;
const DENIED = [PORT.mixAB, PORT.mixBA, PORT.never, PORT.neverExplicit];

const ports = (...udp: readonly number[]): string => `toPorts: [{ports: [{port: "80", protocol: TCP}, {port: "53", protocol: UDP}${udp.map((port) => `, {port: "${port}", protocol: UDP}`).join('')}]}]`;

const set = (egress: readonly number[], ingress: readonly number[], more = ''): string =>
  cnp('client', `
  endpointSelector: {matchLabels: {app: client}}
  egress:
    - toEndpoints: [{matchLabels: {app: server}}]
      ${ports(...egress)}
`) + cnp('server', `
  endpointSelector: {matchLabels: {app: server}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      ${ports(...ingress)}
${more}`);

const A = set([PORT.mixAB, PORT.onlyA, PORT.neverExplicit], [PORT.mixBA, PORT.onlyA, PORT.neverExplicit], `  ingressDeny:\n    - fromEndpoints: [{matchLabels: {app: client}}]\n      toPorts: [{ports: [{port: "${PORT.neverExplicit}", protocol: UDP}]}]\n`);
const B = set([PORT.mixBA], [PORT.mixAB]);

let arena: Arena;
let client: ArmedPod;
let server: ArmedPod;

beforeAll(async () => {
  arena = await openArena('atomic');
  [client, server] = [await arena.armed('client'), await arena.armed('server')];
  const rules = Object.values(PORT).map((port) => `add counter inet seen p${port}; add rule inet seen in udp dport ${port} counter name p${port} drop;`);
  await server.pod.exec('nft', `add table inet seen; add chain inet seen in { type filter hook prerouting priority -500; }; ${rules.join(' ')}`);
  for (const protocol of ['tcp', 'udp'] as const) await server.probe.listen({ protocol, port: protocol === 'tcp' ? 80 : 53, addresses: [server.ipv4, server.ipv6] });
  server.tap.close();
  client.tap.close();
});
afterAll(() => arena[Symbol.asyncDispose]());

/** Datagrams with a port that came out of the server's device, counted there by its kernel. */
const received = async (port: number): Promise<number> => Number(/packets (\d+)/.exec(await server.pod.exec('nft', 'list', 'counter', 'inet', 'seen', `p${port}`))![1]);

/** How often policy was switched, by the datapath's own count. */
const epoch = (): bigint => {
  const map = openPinnedMap(join(arena.node.folders.bpf, 'cilium_node'));
  try {
    return Buffer.from(map.lookup(new Uint8Array(4))!).readBigUInt64LE(0);
  } finally {
    map.close();
  }
};

const frame = (family: Family, port: number, sourcePort: number): Uint8Array => datagram(client, family, { address: server.address(family), port, text: 'x' }, { port: sourcePort });

/** Sends datagrams to all the ports, one from a port that stays and one from a port never used before, a burst every four milliseconds or so. */
const startBarrage = () => {
  const targets = FAMILIES.flatMap((family) => Object.values(PORT).map((port) => ({ port, steady: frame(family, port, 5000), fresh: frame(family, port, 0), at: family === 4 ? 34 : 54 })));
  const sent = new Map<number, number>(Object.values(PORT).map((port) => [port, 0]));
  let next = 0;
  const send = (port: number, bytes: Uint8Array): void => { if (client.socket.send(bytes)) sent.set(port, sent.get(port)! + 1); };
  const timer = setInterval(() => {
    for (const { port, steady, fresh, at } of targets) {
      new DataView(fresh.buffer, fresh.byteOffset).setUint16(at, 10_000 + (next++ % 50_000));
      // The sum covers the port: left out (IPv4) or wrong (IPv6), nobody here looks at it.
      send(port, fresh);
      send(port, steady);
    }
  }, 4);
  return { sent, stop: () => { clearInterval(timer); } };
};

const LONG = { timeoutMs: 15_000 } as const;

/** All that both sets allow, of both families. */
const startTraffic = () => Promise.all(FAMILIES.flatMap((family) => {
  const address = server.address(family);
  return [
    client.probe.startFlow({ kind: 'tcp', address, port: 80, intervalMs: 4 }),
    client.probe.startFlow({ kind: 'tcp', address, port: 80, intervalMs: 7 }),
    client.probe.startFlow({ kind: 'udp', address, port: 53, intervalMs: 3 }),
    client.probe.startFlow({ kind: 'connections', address, port: 80, intervalMs: 20, ...LONG }),
    client.probe.startFlow({ kind: 'datagrams', address, port: 53, intervalMs: 20, ...LONG }),
  ];
}));

describe('replacing the whole policy set under traffic', () => {
  it('lets nothing through that both sets deny, and breaks nothing that both allow', async () => {
    expect((await arena.client.importPolicy(A)).failures).toEqual([]);
    // The counters do count: set A lets this one through.
    client.socket.send(frame(4, PORT.onlyA, 4999));
    await expect.poll(() => received(PORT.onlyA), { timeout: PATIENCE }).toBe(1);
    const before = { epoch: epoch(), policy: await dropped(arena, REASON.policy), deny: await dropped(arena, REASON.policyDeny), only: await received(PORT.onlyA) };
    const flows = await startTraffic();
    const barrage = startBarrage();
    let run: Replacing;
    try {
      run = await replacePolicies(arena.client, [A, B], { rate: RATE, seconds: SECONDS });
    } finally {
      barrage.stop();
    }
    const stats = await Promise.all(flows.map((flow) => flow.stats()));
    const streams = flows.map(({ stream }) => stream);
    const sent = (port: number): number => barrage.sent.get(port)!;
    const report = { rate: run.replacements / run.seconds, seconds: run.seconds, median: run.calls[run.calls.length >> 1], sent: Object.fromEntries(barrage.sent), flows: stats.map(({ sent: many }) => many) };
    console.info(`replaced ${run.replacements} times in ${run.seconds.toFixed(1)} s: ${JSON.stringify(report)}`);

    // Nothing of it was idle.
    expect(run.replacements).toBeGreaterThanOrEqual(RATE * SECONDS);
    expect(Number(epoch() - before.epoch)).toBeGreaterThanOrEqual(run.replacements);
    for (const port of DENIED) expect(sent(port)).toBeGreaterThan(5000);
    const only = (await received(PORT.onlyA)) - before.only;
    expect(Math.min(only, sent(PORT.onlyA) - only)).toBeGreaterThan(sent(PORT.onlyA) / 20);

    // What both deny.
    for (const port of DENIED) expect(await received(port), `datagrams to ${port}`).toBe(0);
    // Every drop by policy is one of these datagrams: nothing that both allow was ever dropped.
    const denied = DENIED.reduce((sum, port) => sum + sent(port), 0);
    const policyDrops = (await dropped(arena, REASON.policy)) - before.policy + (await dropped(arena, REASON.policyDeny)) - before.deny;
    expect(policyDrops).toBe(denied + sent(PORT.onlyA) - only);
    for (const { reason, packets, 'reason-name': name } of await arena.client.listBpfMetrics()) if (![0, REASON.policy, REASON.policyDeny, REASON.multicast].includes(reason as 0)) expect(packets, name).toBe(0);

    // What both allow.
    const open = await Promise.all(flows.map((flow) => flow.stop()));
    const seen = await server.probe.streams(53);
    for (const [index, { broken, missing, received: echoed, sent: many, outcomes }] of open.entries()) {
      expect(broken).toBeUndefined();
      expect(missing, JSON.stringify(outcomes)).toBe(0);
      expect(many).toBeGreaterThan(500);
      const stream = seen[streams[index]!];
      if (stream) expect({ missing: stream.missing, received: stream.received }).toEqual({ missing: 0, received: stream.last });
      else expect(echoed).toBeGreaterThan(0.9 * many);
    }
  }, 240_000);
});
