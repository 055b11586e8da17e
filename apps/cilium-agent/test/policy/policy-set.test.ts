import { silentLogger } from '@cilium-ts/core';
import { labelSet, numericIdentity } from '@cilium-ts/identity';
import { DATAPATH_FEATURES } from '@cilium-ts/policy-model';
import { describe, expect, it } from 'vitest';
import type { FileContent } from '../../src/source/watched-folder.ts';
import { createPolicySet, PolicyImportError } from '../../src/policy/policy-set.ts';
import type { ApiPolicyRecord, PolicyFileRecord } from '../../src/state/schemas.ts';

const policy = (name: string, app = 'web', extra = '') => `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}}\nspec: {endpointSelector: {matchLabels: {app: ${app}}}, ingress: [{}]${extra}}\n`;
const BAD = policy('a', 'web', ', egress: [{toFQDNs: [{matchName: x.y}]}]');
const identity = (app: string) => ({ id: numericIdentity(300), labels: labelSet([`k8s:app=${app}`, 'k8s:io.kubernetes.pod.namespace=default', 'k8s:io.cilium.k8s.policy.cluster=default']) });

/** A store that outlives sets, as the state folder outlives agents. */
const world = (folder: { seen: boolean } | undefined = { seen: true }) => {
  const records = new Map<string, PolicyFileRecord>();
  let api: ApiPolicyRecord | undefined;
  const open = async () => {
    const set = createPolicySet({
      logger: silentLogger,
      records: { load: () => Promise.resolve({ documents: new Map(records), corrupt: [] }), save: (name, record) => { records.set(name, record); return Promise.resolve(); }, remove: (name) => { records.delete(name); return Promise.resolve(); } },
      api: { load: () => api, save: (record) => { api = structuredClone(record); } },
      failpoint: () => undefined, features: DATAPATH_FEATURES,
      folder: folder && { path: '/p', seen: folder.seen, markSeen: () => { folder.seen = true; } },
    });
    await set.load();
    return set;
  };
  return { open, records };
};
const files = (contents: Record<string, string | { error: string }>) =>
  ({ kind: 'present' as const, files: new Map<string, FileContent>(Object.entries(contents).map(([name, content]) => [name, typeof content === 'string' ? { text: content } : content])) });
const GONE = { kind: 'gone' as const, reason: 'ENOENT' };
const keys = (set: Awaited<ReturnType<ReturnType<typeof world>['open']>>) => set.repository.all().map(({ name }) => name);
const statuses = (set: Awaited<ReturnType<ReturnType<typeof world>['open']>>) => Object.fromEntries(set.files().map(({ name, status }) => [name, status]));

describe('policy files', () => {
  it('come, change and go, each look one revision', async () => {
    const set = await world().open();
    const before = set.repository.revision;
    expect(await set.updateFolder(files({ 'a.yaml': policy('a'), 'b.yaml': policy('b') }))).toBe(true);
    expect([keys(set), set.repository.revision]).toEqual([['a', 'b'], before + 1]);
    expect(await set.updateFolder(files({ 'a.yaml': policy('a'), 'b.yaml': policy('b') }))).toBe(false);
    await set.updateFolder(files({ 'b.yaml': policy('c') }));
    expect(keys(set)).toEqual(['c']);
  });

  it.each([['bad', BAD], ['empty', '# nothing\n'], ['unreadable', { error: 'EACCES' }]])('that become %s keep their last accepted form, also for the next agent', async (_, content) => {
    const { open } = world();
    const set = await open();
    await set.updateFolder(files({ 'a.yaml': policy('a') }));
    for (const each of [set, await open()]) {
      await each.updateFolder(files({ 'a.yaml': content }));
      expect([keys(each), statuses(each)]).toEqual([['a'], { 'a.yaml': 'last-accepted' }]);
      expect(each.problems()).toEqual([expect.stringContaining('a.yaml')]);
      expect(each.lockdown(identity('web'))).toBeUndefined();
    }
  });

  it('that never were good lock down whom they may concern', async () => {
    const set = await world().open();
    await set.updateFolder(files({ 'a.yaml': BAD }));
    expect([statuses(set), set.lockdown(identity('web')), set.lockdown(identity('db'))]).toEqual([{ 'a.yaml': 'rejected' }, expect.stringContaining('a.yaml'), undefined]);
    await set.updateFolder(files({ 'a.yaml': policy('a') }));
    expect(set.lockdown(identity('web'))).toBeUndefined();
  });

  it('may move a resource from one to another, but not both have it', async () => {
    const set = await world().open();
    await set.updateFolder(files({ 'a.yaml': policy('x') }));
    await set.updateFolder(files({ 'b.yaml': policy('x') }));
    expect(statuses(set)).toEqual({ 'b.yaml': 'accepted' });
    await set.updateFolder(files({ 'a.yaml': policy('x'), 'b.yaml': policy('x') }));
    expect(statuses(set)).toEqual({ 'a.yaml': 'rejected', 'b.yaml': 'accepted' });
    await set.updateFolder(files({ 'a.yaml': policy('x'), 'b.yaml': policy('y') }));
    expect(statuses(set)).toEqual({ 'a.yaml': 'accepted', 'b.yaml': 'accepted' });
  });
});

describe('the folder', () => {
  it('gone changes nothing, now and for the next agent', async () => {
    const { open } = world();
    const set = await open();
    await set.updateFolder(files({ 'a.yaml': policy('a') }));
    for (const each of [set, await open()]) {
      await each.updateFolder(GONE);
      expect([keys(each), each.lockdown(identity('web'))]).toEqual([['a'], undefined]);
      expect(each.problems()).toEqual([expect.stringContaining('ENOENT')]);
    }
  });

  it('never read locks down everybody until it is', async () => {
    const folder = { seen: false };
    const set = await world(folder).open();
    await set.updateFolder(GONE);
    expect(set.lockdown(identity('db'))).toMatch(/could never be read/);
    expect(await set.updateFolder(files({}))).toBe(true);
    expect([set.lockdown(identity('db')), folder.seen]).toEqual([undefined, true]);
  });

  it('back without a file takes its policies away', async () => {
    const set = await world().open();
    await set.updateFolder(files({ 'a.yaml': policy('a') }));
    await set.updateFolder(GONE);
    await set.updateFolder(files({}));
    expect(keys(set)).toEqual([]);
  });
});

describe('imports', () => {
  it('are all or none, and outlive the agent', async () => {
    const { open } = world(undefined);
    const set = await open();
    await expect(set.import(`${policy('a')}---\n${BAD.replace('name: a', 'name: b')}`, 'f.yaml')).rejects.toThrow(PolicyImportError);
    expect(keys(set)).toEqual([]);
    expect((await set.import(`${policy('a')}---\n${policy('b')}`, 'f.yaml')).resources.length).toBe(2);
    await set.import(policy('b', 'db'), 'g.yaml');
    const next = await open();
    expect(next.imports().map(({ file, resource }) => `${file} ${resource.name}`)).toEqual(['f.yaml a', 'g.yaml b']);
    await next.delete('CiliumNetworkPolicy/default/a');
    expect(keys(await open())).toEqual(['b']);
    await expect(next.delete('CiliumNetworkPolicy/default/a')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('and files keep to their own', async () => {
    const set = await world().open();
    await set.updateFolder(files({ 'a.yaml': policy('a') }));
    await expect(set.import(policy('a'), '')).rejects.toMatchObject({ code: 'conflict' });
    await expect(set.delete('CiliumNetworkPolicy/default/a')).rejects.toMatchObject({ code: 'conflict' });
    await set.import(policy('b'), '');
    await set.updateFolder(files({ 'a.yaml': policy('a'), 'b.yaml': policy('b') }));
    expect(statuses(set)).toEqual({ 'a.yaml': 'accepted', 'b.yaml': 'rejected' });
  });

  it('without a policy in them are refused', async () => { await expect((await world().open()).import('', '')).rejects.toMatchObject({ code: 'policy-invalid' }); });
});
