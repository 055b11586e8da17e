import { parseIp } from '@cilium-ts/core';
import type { Attempt, Probe } from '@cilium-ts/testbed';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { FAMILIES, PATIENCE } from '../scenario/support/arena.ts';
import type { Family } from '../scenario/support/arena.ts';
import { CLIENT, frontend, openCluster, serviceOf } from './cluster.ts';
import type { Cluster, Server } from './cluster.ts';

/** Services by the last number of their addresses and NodePorts. */
const [HERE, THERE, SELF] = [1, 2, 3];
/** What a pod that is its own backend sees itself by, translated per packet. */
const LOOPBACK = { 4: '169.254.42.1', 6: '100::a9fe:2a01' } as const;
const PROTOCOLS = ['TCP', 'UDP'] as const;

let count = 0;
const ask = async (probe: Probe, protocol: 'TCP' | 'UDP', to: { readonly address: string; readonly port: number; readonly localAddress?: string }): Promise<Attempt & { readonly text: string }> => {
  // A text of its own for each, for taps to look for, of one length, so that none is within another.
  const text = `question ${String(count++).padStart(6, '0')}`;
  const target = { ...to, payload: text, timeoutMs: 5000 };
  return { ...(await (protocol === 'TCP' ? probe.connect(target) : probe.udp(target))), text };
};

describe.each([['of all sockets', []], ["of the node's own sockets", ['--bpf-lb-sock-hostns-only']]] as const)('translation %s', (scope, flags) => {
  let cluster: Cluster;
  let here: Server;
  let there: Server;
  let host: Probe;

  beforeAll(async () => {
    cluster = await openCluster('svc-host', flags);
    const [first, second] = cluster.members;
    [here, there] = [await first.pod('here'), await second.pod('there')];
    host = await first.node.probe();
    await cluster.services([serviceOf('here', HERE, [[here, 'n0']]), serviceOf('there', THERE, [[there, 'n1']]), serviceOf('self', SELF, [[here, 'n0']])].join(''));
    for (const { client } of cluster.members) await vi.waitFor(async () => { expect((await client.listBpfServices()).length).toBeGreaterThan(20); }, PATIENCE);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  /** Every address that the node has, as its kernel says. */
  const ownAddresses = async (family: Family): Promise<string[]> => {
    const text = await cluster.members[0].node.exec('ip', '-o', `-${family}`, 'address', 'show');
    return [...text.matchAll(/inet6? ([0-9a-f.:]+)\//g)].map(([, address]) => parseIp(address!)!.text).filter((address) => !address.startsWith('fe80:'));
  };

  describe.each(FAMILIES)('IPv%i', (family) => {
    describe.each(PROTOCOLS)('%s', (protocol) => {
      it('a process of the node reaches a ClusterIP, whether its backend is here or on the other node', async () => {
        for (const [number, server] of [[HERE, here], [THERE, there]] as const) {
          const { outcome, text } = await ask(host, protocol, { address: frontend('ClusterIP', number, family), port: 80 });
          expect({ number, outcome }).toEqual({ number, outcome: 'ok' });
          expect(server.tap.count(text)).toBeGreaterThan(0);
        }
      });

      it("a process of the node reaches a NodePort by every address of the node, and by the other node's", async () => {
        const own = await ownAddresses(family);
        const loopback = family === 4 ? '127.0.0.1' : '::1';
        const uplinks = cluster.members.map(({ uplink }) => parseIp(family === 4 ? uplink.nodeIpv4 : uplink.nodeIpv6)!.text);
        expect(own).toEqual(expect.arrayContaining([loopback, uplinks[0]]));
        expect(own.length).toBeGreaterThan(2);
        for (const address of [...own, uplinks[1]!]) {
          for (const [number, server] of [[HERE, here], [THERE, there]] as const) {
            const { outcome, text } = await ask(host, protocol, { address, port: 30_000 + number });
            expect({ address, number, outcome }).toEqual({ address, number, outcome: 'ok' });
            expect(server.tap.count(text)).toBeGreaterThan(0);
          }
        }
      });

      it('a pod reaches ClusterIPs and NodePorts of its node whose backend is on the other node', async () => {
        const address = parseIp(family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6)!.text;
        for (const [target, port] of [[frontend('ClusterIP', THERE, family), 80], [address, 30_000 + THERE]] as const) {
          const { outcome, text } = await ask(here.probe, protocol, { address: target, port });
          expect({ target, outcome }).toEqual({ target, outcome: 'ok' });
          expect(there.sourcesOf(text)).toEqual([parseIp(here.address(family))!.text]);
        }
      });

      it('a pod that is its own backend reaches itself', async () => {
        const { outcome, text } = await ask(here.probe, protocol, { address: frontend('ClusterIP', SELF, family), port: 80 });
        expect(outcome).toBe('ok');
        // At the socket it is a connection of its own kernel's: nothing of it leaves the pod. Per packet, both ends see addresses that are not the pod's.
        const seen = scope === 'of all sockets' ? [] : [LOOPBACK[family], frontend('ClusterIP', SELF, family)];
        expect(here.sourcesOf(text)).toEqual(seen);
      });

      it('a connection from outside to the same service goes on as before', async () => {
        const address = parseIp(family === 4 ? cluster.members[0].uplink.nodeIpv4 : cluster.members[0].uplink.nodeIpv6)!.text;
        const { outcome, text } = await ask(cluster.client, protocol, { address, port: 30_000 + SELF, localAddress: CLIENT[family] });
        expect(outcome).toBe('ok');
        expect(here.sourcesOf(text)).toEqual([CLIENT[family]]);
      });
    });
  });
});
