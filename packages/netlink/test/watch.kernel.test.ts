import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { addressRequests, ifIndex, linkRequests, routeRequests, TC_PARENT } from '../src/index.ts';
import type { Filter, Namespace, Netlink, Watch, WatchEvent } from '../src/index.ts';
import { cidr, createScratch, ip } from './helpers.ts';
import type { Scratch } from './helpers.ts';

let scratch: Scratch;
let node: Namespace;
let netlink: Netlink;
beforeEach(() => {
  scratch = createScratch();
  node = scratch.namespace('node');
  netlink = scratch.netlink(node);
});
afterEach(() => scratch.close());

/** Reads events until one fits; returns it. */
const until = async <T>(watch: Watch<T>, fits: (event: WatchEvent<T>) => boolean): Promise<WatchEvent<T>> => {
  for (;;) {
    const { done, value } = await watch.next();
    if (done) throw new Error('the watch ended');
    if (fits(value)) return value;
  }
};

it('tells of devices, from the call on', async () => {
  const watch = netlink.watchLinks();
  await netlink.createVeth({ name: 'a', index: ifIndex(50), peer: { name: 'b' } });
  await netlink.deleteLink('a');
  const born = await until(watch, (event) => event.kind === 'new' && event.record.name === 'a');
  expect(born).toMatchObject({ record: { index: 50, kind: 'veth' } });
  expect(await until(watch, (event) => event.kind === 'delete' && event.record.name === 'a')).toMatchObject({ record: { index: 50 } });
  watch.close();
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

it('tells of addresses, routes and neighbours of both families', async () => {
  const [addresses, routes, neighbours] = [netlink.watchAddresses(), netlink.watchRoutes(), netlink.watchNeighbours()];
  const { index: link } = await netlink.createVeth({ name: 'a', up: true, peer: { name: 'b' } });
  await netlink.setLink('b', { up: true });
  await netlink.addAddress({ link, address: ip('192.0.2.1'), prefixLength: 32 });
  await netlink.addAddress({ link, address: ip('2001:db8::1'), prefixLength: 128, flags: ['no-dad'] });
  await netlink.addRoute({ destination: cidr('203.0.113.0/24'), link });
  await netlink.addRoute({ destination: cidr('2001:db8:1::/64'), link });
  await netlink.deleteRoute({ destination: cidr('203.0.113.0/24'), link });
  await netlink.addNeighbour({ link, address: ip('192.0.2.2'), mac: (await netlink.getLink(link))!.mac! });
  for (const text of ['192.0.2.1', '2001:db8::1']) await until(addresses, (event) => event.kind === 'new' && event.record.address.text === text);
  for (const text of ['203.0.113.0/24', '2001:db8:1::/64']) await until(routes, (event) => event.kind === 'new' && event.record.destination.text === text);
  await until(routes, (event) => event.kind === 'delete' && event.record.destination.text === '203.0.113.0/24');
  await until(neighbours, (event) => event.kind === 'new' && event.record.address.text === '192.0.2.2');
});

it('tells of qdiscs and filters that others take away, also of all filters of a priority', async () => {
  const [qdiscs, filters] = [netlink.watchQdiscs(), netlink.watchFilters()];
  const { index: link } = await netlink.createVeth({ name: 'a', peer: { name: 'b' } });
  const tc = (...args: string[]): void => void execFileSync('nsenter', [`--net=${node.path}`, 'tc', ...args]);
  const add = (): void => tc('filter', 'add', 'dev', 'a', 'ingress', 'pref', '7', 'protocol', 'all', 'bpf', 'da', 'bytecode', '1,6 0 0 0');
  await netlink.addClsact(link);
  add();
  const { record } = (await until(filters, ({ kind }) => kind === 'new')) as { record: Filter };
  expect(record).toMatchObject({ link, parent: TC_PARENT.ingress, kind: 'bpf', priority: 7 });
  await netlink.deleteFilter(record);
  expect(await until(filters, ({ kind }) => kind === 'delete')).toMatchObject({ record: { link, priority: 7 } });
  add();
  tc('filter', 'del', 'dev', 'a', 'ingress');
  expect(await until(filters, ({ kind }) => kind === 'delete')).toMatchObject({ record: { link, parent: TC_PARENT.ingress, priority: 7, handle: 0 } });
  await netlink.deleteClsact(link);
  expect(await until(qdiscs, ({ kind }) => kind === 'delete')).toMatchObject({ record: { link, kind: 'clsact' } });
});

it('ends with its signal, with the loop, and with the handle', async () => {
  const abort = new AbortController();
  const waiting = netlink.watchLinks({ signal: abort.signal });
  const next = waiting.next();
  abort.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(await netlink.watchLinks({ signal: AbortSignal.abort() }).next()).toEqual({ done: true, value: undefined });

  const looped = netlink.watchLinks();
  await netlink.createVeth({ name: 'a', peer: { name: 'b' } });
  for await (const event of looped) {
    expect(event.kind).toBe('new');
    break;
  }
  expect(await looped.next()).toEqual({ done: true, value: undefined });

  const open = netlink.watchLinks();
  const last = open.next();
  netlink.close();
  expect(await last).toEqual({ done: true, value: undefined });
});

it('reports events lost to a slow reader as one event, and goes on', async () => {
  const watch = netlink.watchRoutes({ limit: 50 });
  const { index: link } = await netlink.createVeth({ name: 'a', up: true, peer: { name: 'b' } });
  await netlink.setLink('b', { up: true });
  await netlink.addAddress({ link, address: ip('192.0.2.1'), prefixLength: 32 });
  await netlink.batch(Array.from({ length: 120 }, (_, i) => routeRequests.add({ destination: cidr(`10.0.${i}.0/24`), link })));
  await until(watch, (event) => event.kind === 'overrun');
  await netlink.addRoute({ destination: cidr('203.0.113.0/24'), link });
  await until(watch, (event) => event.kind === 'new' && event.record.destination.text === '203.0.113.0/24');
});

it('reports events lost in the kernel, whose buffer is finite, and goes on', async () => {
  const { index: link } = await netlink.createVeth({ name: 'a', peer: { name: 'b' } });
  const watch = netlink.watchAddresses({ limit: 1_000_000 });
  // Nobody reads while this runs: 20,000 events, with their bookkeeping, do not fit into 8 MiB.
  const lines = 'addr add 192.0.2.1/32 dev a\naddr del 192.0.2.1/32 dev a\n'.repeat(10_000);
  execFileSync('nsenter', [`--net=${node.path}`, 'ip', '-batch', '-'], { input: lines });
  await until(watch, (event) => event.kind === 'overrun');
  await netlink.batch([linkRequests.set(link, { mtu: 1400 }), addressRequests.add({ link, address: ip('192.0.2.99'), prefixLength: 32 })]);
  await until(watch, (event) => event.kind === 'new' && event.record.address.text === '192.0.2.99');
});
