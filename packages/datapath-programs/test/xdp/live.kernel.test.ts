import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseCidr } from '@cilium-ts/core';
import { address, createFabric, VIPS, type Fabric, type Host } from './fabric.ts';
import { execIn } from './sandbox.ts';

const LOAD_BALANCER = SERVICE_FLAG.LOAD_BALANCER | SERVICE_FLAG.ROUTABLE;
let fabric: Fabric;

/** How many packets a device handed to the stack. */
const toStack = (host: Host): string => execIn(fabric.hosts[host], 'nstat', '-asz', 'IpForwDatagrams', 'Ip6OutForwDatagrams').split('\n').slice(1).map((line) => line.split(/\s+/)[1]).join(' ').trim();

describe.each([
  { mode: 'native', what: 'by way of the balancer', dsr: false },
  { mode: 'native', what: 'direct return', dsr: true },
  { mode: 'generic', what: 'by way of the balancer', dsr: false },
  { mode: 'generic', what: 'direct return', dsr: true },
] as const)('$mode, $what', ({ mode, dsr }) => {
  const flags = LOAD_BALANCER | (dsr ? SERVICE_FLAG.DSR : 0);
  beforeEach(async () => {
    fabric = await createFabric(mode, { dsrIpip: 1 });
  });
  afterEach(() => fabric[Symbol.asyncDispose]());

  test.each([{ family: 4 }, { family: 6 }] as const)('TCP over IPv$family, far more than a packet', async ({ family }) => {
    const backends = (['one', 'two', 'far'] as const).map((host) => ({ host, address: address(host, family), port: dsr ? 80 : 8080 }));
    fabric.services.add({ id: 1, address: VIPS[family], port: 80, protocol: 6, flags, backends });
    const servers = backends.map(({ host }) => fabric.peer(host));
    for (const [i, server] of servers.entries()) expect(await server.listen(dsr ? VIPS[family] : backends[i]!.address, dsr ? 80 : 8080)).toBe('ok');
    const client = fabric.peer('client');
    // thirty times, for one of the three to be never chosen once in 60,000 runs
    for (let i = 0; i < 30; i++) {
      expect([i, await client.connect(`c${i}`, VIPS[family], 80)]).toEqual([i, 'ok']);
      expect([i, await client.echo(`c${i}`, 60_000)]).toEqual([i, 'ok']);
    }
    for (const host of ['one', 'two', 'far'] as const) {
      expect([host, Number(execIn(fabric.hosts[host], 'ss', '-Htn', 'state', 'established').split('\n').filter((line) => line.includes(`:${dsr ? 80 : 8080} `)).length > 0)]).toEqual([host, 1]);
    }
    // not one packet of all this was the stack's; with direct return, the far one's answers pass here as any others
    if (!dsr) expect(toStack('balancer')).toBe('0 0');
  });

  test.each([{ family: 4 }, { family: 6 }] as const)('UDP over IPv$family', async ({ family }) => {
    const backends = (['one', 'two', 'far'] as const).map((host) => ({ host, address: address(host, family), port: 53 }));
    fabric.services.add({ id: 1, address: VIPS[family], port: 53, protocol: 17, flags, backends });
    for (const { host, address: own } of backends) await fabric.echo(host, dsr ? VIPS[family] : own, 53);
    expect(fabric.datagrams(VIPS[family], 53, 20)).toBe(20);
    if (!dsr) expect(toStack('balancer')).toBe('0 0');
  });

  test('the prefilter comes first', async () => {
    fabric.services.add({ id: 1, address: VIPS[4], port: 53, protocol: 17, flags, backends: [{ address: address('one', 4), port: 53 }] });
    await fabric.echo('one', dsr ? VIPS[4] : address('one', 4), 53);
    expect(fabric.datagrams(VIPS[4], 53, 1)).toBe(1);
    await fabric.xdp.prefilter.add([parseCidr('192.168.9.2/31')!]);
    expect(fabric.datagrams(VIPS[4], 53, 1, { tries: 4 })).toBe(0);
  });
});

describe.each([
  { mode: 'native', what: 'by way of the balancer', dsr: false },
  { mode: 'native', what: 'direct return', dsr: true },
  { mode: 'generic', what: 'by way of the balancer', dsr: false },
  { mode: 'generic', what: 'direct return', dsr: true },
] as const)('what XDP leaves to the stack in $mode mode, $what', ({ mode, dsr }) => {
  const flags = LOAD_BALANCER | (dsr ? SERVICE_FLAG.DSR : 0);
  beforeEach(async () => {
    fabric = await createFabric(mode, { dsrIpip: 1 });
    await fabric.attachNetdev();
  });
  afterEach(() => fabric[Symbol.asyncDispose]());

  test.each([{ family: 4 }, { family: 6 }] as const)('fragments over IPv$family', async ({ family }) => {
    const backends = (['one', 'far'] as const).map((host) => ({ host, address: address(host, family), port: 53 }));
    fabric.services.add({ id: 1, address: VIPS[family], port: 53, protocol: 17, flags, backends });
    for (const { host, address: own } of backends) await fabric.echo(host, dsr ? VIPS[family] : own, 53);
    expect(fabric.datagrams(VIPS[family], 53, 10, { size: 4000 })).toBe(10);
  });

  test.each([{ family: 4 }, { family: 6 }] as const)('neighbours that are yet to be found, IPv$family', async ({ family }) => {
    fabric.services.add({ id: 1, address: VIPS[family], port: 53, protocol: 17, flags, backends: [{ address: address('two', family), port: 53 }] });
    await fabric.echo('two', dsr ? VIPS[family] : address('two', family), 53);
    for (const host of ['two', 'client'] as const) execIn(fabric.hosts.balancer, 'ip', 'neigh', 'del', address(host, family), 'dev', 'eth0');
    expect(fabric.datagrams(VIPS[family], 53, 5)).toBe(5);
  });
});
