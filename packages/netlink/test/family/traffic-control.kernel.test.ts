import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { TC_PARENT } from '../../src/index.ts';
import type { Namespace, Netlink } from '../../src/index.ts';
import { createScratch } from '../helpers.ts';
import type { Scratch } from '../helpers.ts';

let scratch: Scratch;
let node: Namespace;
let netlink: Netlink;

beforeEach(() => {
  scratch = createScratch();
  node = scratch.namespace('node');
  netlink = scratch.netlink(node);
});
afterEach(() => scratch.close());

it('lists, adds and removes clsact and the filters behind it', async () => {
  const { index } = await netlink.createVeth({ name: 'a', up: true, peer: { name: 'b' } });
  expect(await netlink.deleteClsact(index)).toBe(false);
  await netlink.addClsact(index);
  await expect(netlink.addClsact(index)).rejects.toMatchObject({ code: 'exists' });
  const clsact = (await netlink.listQdiscs({ link: index })).find((qdisc) => qdisc.kind === 'clsact');
  expect(clsact).toMatchObject({ link: index, handle: 0xffff0000, parent: TC_PARENT.clsact });

  const tc = (...args: string[]): Buffer => execFileSync('nsenter', [`--net=${node.path}`, 'tc', 'filter', 'add', 'dev', 'a', ...args]);
  tc('ingress', 'pref', '7', 'bpf', 'bytecode', '1,6 0 0 0,', 'da');
  tc('egress', 'protocol', 'ip', 'pref', '9', 'bpf', 'bytecode', '1,6 0 0 0,');
  const [ingress, ...none] = await netlink.listFilters({ link: index, parent: TC_PARENT.ingress });
  expect(none).toEqual([]);
  expect(ingress).toMatchObject({ link: index, kind: 'bpf', priority: 7, protocol: 3, chain: 0, handle: 1 });
  expect(ingress?.bpf).toMatchObject({ directAction: true });
  expect(await netlink.listFilters({ link: index, parent: TC_PARENT.egress })).toMatchObject([{ kind: 'bpf', priority: 9, protocol: 0x800, bpf: { directAction: false } }]);
  expect(await netlink.deleteFilter(ingress!)).toBe(true);
  expect(await netlink.listFilters({ link: index, parent: TC_PARENT.ingress })).toEqual([]);
  expect(await netlink.deleteClsact(index)).toBe(true);
  expect((await netlink.listQdiscs({ link: index })).map((qdisc) => qdisc.kind)).not.toContain('clsact');
});
