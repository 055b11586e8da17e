import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cnp, enforce, FAMILIES, openArena } from './support/arena.ts';
import type { Arena, ArmedPod, Family } from './support/arena.ts';
import { connector, listener } from './support/talk.ts';

const FAR = { 4: '198.51.100.10', 6: '2001:db8:51::10' } as const;
const NODE = { 4: '192.0.2.2', 6: 'fd00:c1::2' } as const;
const ROUTER = { 4: '10.244.0.1', 6: 'fd00:10:244::1' } as const;
/** More than fits any device at once: has to be cut, and its pieces acknowledged both ways. */
const MUCH = 'x'.repeat(200_000);

describe('paths', () => {
  let arena: Arena;
  let big: ArmedPod;
  let small: ArmedPod;

  beforeAll(async () => {
    arena = await openArena('paths');
    big = await arena.armed('big');
    small = await arena.armed('small', ['app=small'], { mtu: 1280 });
    for (const place of [big.pod, small.pod, arena.outside, arena.node]) await (await place.probe()).listen({ protocol: 'tcp', port: 80 });
    for (const { probe, ipv4, ipv6 } of [big, small]) await probe.listen({ protocol: 'udp', port: 53, addresses: [ipv4, ipv6] });
    await arena.node.exec('nft', ['add table inet published; add chain inet published in { type nat hook prerouting priority dstnat; };',
      ...FAMILIES.flatMap((family) => {
        const [ip, target] = family === 4 ? ['ip', small.ipv4] : ['ip6', `[${small.ipv6}]`];
        return [`add rule inet published in ${ip} daddr ${NODE[family]} tcp dport 8080 dnat ${ip} to ${target}:80;`, `add rule inet published in ${ip} daddr ${NODE[family]} udp dport 8053 dnat ${ip} to ${target}:53;`];
      })].join(' '));
  });
  afterAll(() => arena[Symbol.asyncDispose]());

  const peerSeenBy = async (at: Parameters<typeof listener>[0], address: string, from: Parameters<typeof listener>[0]): Promise<string> => {
    const server = await listener(at, 7777, address);
    const client = connector(from, 7777, address);
    await client.expects(/^peer /);
    const [, peer] = (await server.expects(/^peer /)).split(' ');
    server.say('welcome');
    await client.expects(/^got welcome$/);
    await Promise.all([client.close(), server.close()]);
    return peer!;
  };

  describe.each(FAMILIES)('IPv%i', (family) => {
    it('what is too long for the receiver is reported to the sender', async () => {
      const size = { fits: 1280 - (family === 4 ? 28 : 48), tooLong: 1400 };
      const ping = (length: number, dontFragment: boolean) => big.probe.ping({ address: small.address(family), size: length, dontFragment, timeoutMs: 3000 });
      expect((await ping(size.fits, true)).outcome).toBe('ok');
      expect((await ping(size.tooLong, true)).outcome).toBe('too-big');
      // The sender has learnt: its kernel says so itself now, and cuts what may be cut.
      expect(await big.pod.exec('ip', 'route', 'get', small.address(family))).toContain('mtu 1280');
      expect((await ping(size.tooLong, false)).outcome).toBe('ok');
      const report = big.tap.frames().some((frame) => (family === 4 ? frame[12] === 8 && frame[23] === 1 && frame[34] === 3 && frame[35] === 4 : frame[12] === 0x86 && frame[20] === 58 && frame[54] === 2));
      expect(report).toBe(true);
    });

    it('much data flows between ends of unequal MTU, by whoever it is opened', async () => {
      expect((await big.probe.connect({ address: small.address(family), port: 80, payload: MUCH, timeoutMs: 10_000 })).outcome).toBe('ok');
      expect((await small.probe.connect({ address: big.address(family), port: 80, payload: MUCH, timeoutMs: 10_000 })).outcome).toBe('ok');
      expect((await small.probe.connect({ address: FAR[family], port: 80, payload: MUCH, timeoutMs: 10_000 })).outcome).toBe('ok');
    });

    it('a packet at the end of its hops is reported, hop by hop', async () => {
      const hops = async (address: string, ttl: number) => (await big.probe.ping({ address, ttl, timeoutMs: 3000 })).outcome;
      expect([await hops(small.address(family), 1), await hops(small.address(family), 2)]).toEqual(['ttl-exceeded', 'ok']);
      expect([await hops(FAR[family], 1), await hops(FAR[family], 2)]).toEqual(['ttl-exceeded', 'ok']);
      expect(await hops(ROUTER[family], 1)).toBe('ok');
      // From the outside the node is one hop more.
      const outside = await arena.outside.probe();
      expect((await outside.ping({ address: big.address(family), ttl: 1, timeoutMs: 3000 })).outcome).toBe('ttl-exceeded');
    });

    it('only what leaves the node gets its address', async () => {
      const [abroad, beside, atRouter, atNode, fromNode] = await Promise.all([
        peerSeenBy(arena.outside, FAR[family], big.pod), peerSeenBy(small.pod, small.address(family), big.pod),
        peerSeenBy(arena.node, ROUTER[family], big.pod), peerSeenBy(arena.node, NODE[family], big.pod), peerSeenBy(big.pod, big.address(family), arena.node),
      ]);
      const own = big.address(family);
      expect({ abroad, beside, atRouter, atNode, fromNode }).toEqual({ abroad: NODE[family], beside: own, atRouter: own, atNode: own, fromNode: ROUTER[family] });
      expect(await peerSeenBy(big.pod, big.address(family), arena.outside)).not.toBe(NODE[family]);
    });

    it('what netfilter publishes on the node works both ways, and policy sees who asks', async () => {
      const outside = await arena.outside.probe();
      const published = { address: NODE[family], port: 8080, timeoutMs: 10_000 } as const;
      expect((await outside.connect({ ...published, payload: MUCH })).outcome).toBe('ok');
      expect((await outside.udp({ address: NODE[family], port: 8053, timeoutMs: 5000 })).outcome).toBe('ok');
      // Also from another pod of the node, whose packets turn round in the stack.
      expect((await big.probe.connect({ ...published, payload: MUCH })).outcome).toBe('ok');
      expect((await big.probe.udp({ address: NODE[family], port: 8053, timeoutMs: 5000 })).outcome).toBe('ok');
      const flows = (await arena.client.listBpfFlows()).filter(({ destination, protocol }) => protocol === 'TCP' && destination.ip === small.address(family) && destination.port === 80 && destination['endpoint-id'] === small.id);
      expect(flows.filter(({ source }) => source.ip === big.address(family)).some(({ flags }) => flags.includes('via-stack'))).toBe(true);
      expect(flows.filter(({ source }) => source['endpoint-id'] === undefined).every(({ flags }) => flags.includes('via-stack'))).toBe(true);
      await enforce(arena, cnp('small', `\n  endpointSelector: {matchLabels: {app: small}}\n  ingress:\n    - fromEndpoints: [{matchLabels: {app: big}}]\n`));
      const refused = { ...published, timeoutMs: 700 };
      expect([(await outside.connect(refused)).outcome, (await big.probe.connect(published)).outcome]).toEqual(['timeout', 'ok']);
      await enforce(arena, cnp('small', `\n  endpointSelector: {matchLabels: {app: small}}\n  ingress:\n    - fromEntities: [world]\n`));
      expect([(await outside.connect(published)).outcome, (await big.probe.connect(refused)).outcome]).toEqual(['ok', 'timeout']);
      await arena.client.deletePolicy({ kind: 'CiliumNetworkPolicy', name: 'small' });
    });

    it('a published port stays open for what runs through it while policy of others changes', async () => {
      const server = await listener(small.pod, 8081, small.address(family));
      await arena.node.exec('nft', `add rule inet published in ${family === 4 ? 'ip' : 'ip6'} daddr ${NODE[family]} tcp dport 8090 dnat ${family === 4 ? `ip to ${small.ipv4}` : `ip6 to [${small.ipv6}]`}:8081`);
      const client = connector(arena.outside, 8090, NODE[family]);
      await client.expects(/^peer /);
      for (const [turn, speaker, hearer] of [[1, server, client], [2, client, server]] as const) {
        await enforce(arena, cnp('small', `\n  endpointSelector: {matchLabels: {app: small}}\n  ingress:\n    - fromEntities: [world]\n      toPorts: [{ports: [{port: "${8000 + turn}", endPort: 9000, protocol: TCP}]}]\n`));
        speaker.say(`turn ${turn}`);
        await hearer.expects(new RegExp(`^got turn ${turn}$`));
      }
      await arena.client.deletePolicy({ kind: 'CiliumNetworkPolicy', name: 'small' });
    });
  });
});

describe.each([
  { mode: 'auto', open: false },
  { mode: 'policy', open: false },
  { mode: 'always', open: true },
] as const)('--allow-localhost=$mode', ({ mode, open }) => {
  let arena: Arena;
  let pod: ArmedPod;
  beforeEach(async () => {
    arena = await openArena('localhost', { flags: [`--allow-localhost=${mode}`] });
    pod = await arena.armed('pod');
    await pod.probe.listen({ protocol: 'tcp', port: 80 });
  });
  afterEach(() => arena[Symbol.asyncDispose]());

  const attempt = async (family: Family): Promise<string[]> => {
    const node = await arena.node.probe();
    const outside = await arena.outside.probe();
    const timeoutMs = 1000;
    const address = pod.address(family);
    const attempts = await Promise.all([node.connect({ address, port: 80, timeoutMs }), node.ping({ address, timeoutMs }), outside.connect({ address, port: 80, timeoutMs })]);
    return attempts.map(({ outcome }) => outcome);
  };

  it('decides over the node, and over nobody else', async () => {
    await enforce(arena, cnp('pod', '\n  endpointSelector: {matchLabels: {app: pod}}\n  ingress:\n    - fromEndpoints: [{matchLabels: {app: nobody}}]\n'));
    const verdict = open ? 'ok' : 'timeout';
    expect(await Promise.all(FAMILIES.map(attempt))).toEqual(FAMILIES.map(() => [verdict, verdict, 'timeout']));
    await enforce(arena, cnp('pod', '\n  endpointSelector: {matchLabels: {app: pod}}\n  ingress:\n    - fromEntities: [host]\n'));
    expect(await Promise.all(FAMILIES.map(attempt))).toEqual(FAMILIES.map(() => ['ok', 'ok', 'timeout']));
  });
});
