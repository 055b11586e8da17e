import type { Cidr } from '@cilium-ts/core';
import { cidrContains, parseCidr, parseIp } from '@cilium-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IpCache, IpCacheSource } from '../src/index.ts';
import { IPCACHE_SOURCES, cidrLabels, cidrSelectorLabel, compareSources, createIdentityAllocator, createIpCache, createMemoryStore, labelSet, mayOverwrite, numericIdentity } from '../src/index.ts';

const dual = { ipv4: true, ipv6: true };
const p = (text: string): Cidr => parseCidr(text)!;
const make = (families = dual) => {
  const local = createIdentityAllocator({ scope: 'local' });
  return { local, cache: createIpCache({ local, ...families }) };
};
const put = (cache: IpCache, prefix: string, labels: readonly string[], more: { resource?: string; source?: IpCacheSource } = {}): void =>
  cache.upsert({ prefix: p(prefix), resource: more.resource ?? 'test', source: more.source ?? 'generated', labels: labelSet(labels) });
const putCidr = (cache: IpCache, prefix: string, resource = 'policy'): void => cache.upsert({ prefix: p(prefix), resource, source: 'generated', labels: cidrLabels(p(prefix), dual) });
const text = (cache: IpCache, prefix: string): string | undefined => cache.get(p(prefix))?.identity.labels.toStrings().join();
const who = (cache: IpCache, ip: string): number => cache.lookup(parseIp(ip)!).id;

describe('cidrLabels', () => {
  it.each([
    ['10.0.0.0/8', dual, 'cidr:10.0.0.0/8,reserved:world-ipv4'],
    ['fd00::/8', dual, 'cidr:fd00--0/8,reserved:world-ipv6'],
    ['10.0.0.0/8', { ipv4: true, ipv6: false }, 'cidr:10.0.0.0/8,reserved:world'],
    ['0.0.0.0/0', dual, 'reserved:world-ipv4'],
    ['::/0', { ipv4: false, ipv6: true }, 'reserved:world'],
  ])('of %s', (prefix, families, expected) => {
    expect(cidrLabels(p(prefix), families).toStrings().join()).toBe(expected);
  });

  it('have a label to be selected by', () => {
    expect(cidrSelectorLabel(p('10.0.0.0/8'), dual)).toEqual({ source: 'cidr', key: '10.0.0.0/8', value: '' });
    expect(cidrSelectorLabel(p('::/0'), dual)).toEqual({ source: 'reserved', key: 'world-ipv6', value: '' });
  });
});

describe('lookup', () => {
  it('is the longest prefix, else the world', () => {
    const { cache } = make();
    putCidr(cache, '10.0.0.0/8');
    putCidr(cache, '10.1.0.0/16');
    expect(who(cache, '10.2.0.1')).toBe(16_777_217);
    expect(who(cache, '10.1.0.1')).toBe(16_777_218);
    expect(who(cache, '11.0.0.1')).toBe(9);
    expect(who(cache, 'fd00::1')).toBe(10);
    expect(cache.remove(p('10.1.0.0/16'), 'policy')).toBe(true);
    expect(who(cache, '10.1.0.1')).toBe(16_777_217);
    const single = make({ ipv4: true, ipv6: false }).cache;
    expect(who(single, '11.0.0.1')).toBe(2);
  });

  it('of a whole family is the world', () => {
    const { cache } = make();
    putCidr(cache, '0.0.0.0/0');
    expect(who(cache, '1.2.3.4')).toBe(9);
    expect([...cache.identities()]).toEqual([]);
  });
});

describe('labels of covering prefixes', () => {
  it('are merged down, nearest first, with one prefix label', () => {
    const { cache } = make();
    put(cache, '10.0.0.0/8', ['cidr:10.0.0.0/8', 'cidrgroup:a=far', 'cidrgroup:b']);
    put(cache, '10.1.0.0/16', ['cidr:10.1.0.0/16', 'cidrgroup:a=near']);
    put(cache, '10.1.1.0/24', ['fqdn:example.com']);
    expect(text(cache, '10.1.1.0/24')).toBe('cidr:10.1.0.0/16,cidrgroup:a=near,cidrgroup:b,fqdn:example.com,reserved:world-ipv4');
    expect(text(cache, '10.0.0.0/8')).toBe('cidr:10.0.0.0/8,cidrgroup:a=far,cidrgroup:b,reserved:world-ipv4');
  });

  it('follow a change of a prefix around', () => {
    const { cache } = make();
    put(cache, '10.1.1.1/32', ['fqdn:example.com']);
    const before = cache.revision;
    const alone = who(cache, '10.1.1.1');
    put(cache, '10.0.0.0/8', ['cidr:10.0.0.0/8']);
    expect(cache.revision).toBeGreaterThan(before);
    expect(text(cache, '10.1.1.1')).toBe('cidr:10.0.0.0/8,fqdn:example.com,reserved:world-ipv4');
    cache.remove(p('10.0.0.0/8'), 'test');
    expect(text(cache, '10.1.1.1')).toBe('fqdn:example.com,reserved:world-ipv4');
    expect(who(cache, '10.1.1.1')).toBe(alone);
  });

  it('of addresses with the same labels have one identity', () => {
    const { cache } = make();
    for (const ip of ['192.0.2.1', '192.0.2.2']) put(cache, ip, ['fqdn:example.com']);
    expect(who(cache, '192.0.2.1')).toBe(who(cache, '192.0.2.2'));
    expect([...cache.identities()]).toHaveLength(1);
    cache.remove(p('192.0.2.1'), 'test');
    expect([...cache.identities()]).toHaveLength(1);
    cache.remove(p('192.0.2.2'), 'test');
    expect([...cache.identities()]).toHaveLength(0);
  });
});

describe('invariants', () => {
  it.each([
    [['reserved:host'], 1],
    [['reserved:remote-node'], 6],
    [['reserved:remote-node', 'reserved:kube-apiserver'], 7],
    [['reserved:health'], 4],
    [['reserved:ingress'], 8],
  ])('%j is no part of the world, nor selected by prefix', (labels, id) => {
    const { cache } = make();
    putCidr(cache, '10.0.0.0/8');
    putCidr(cache, '10.0.0.5', 'other');
    put(cache, '10.0.0.5', ['fqdn:example.com', 'cidrgroup:x', 'reserved:world-ipv4', 'node:a=b', ...labels], { source: 'local' });
    expect(who(cache, '10.0.0.5')).toBe(id);
    expect(text(cache, '10.0.0.5')?.split(',').sort()).toEqual([...labels].sort());
  });

  it('gives everything else the world of its family, and drops node labels', () => {
    const { cache } = make();
    put(cache, '192.0.2.1', ['reserved:kube-apiserver', 'node:zone=a']);
    expect(text(cache, '192.0.2.1')).toBe('reserved:kube-apiserver,reserved:world-ipv4');
    expect(who(cache, '192.0.2.1')).toBeGreaterThan(16_777_216);
    put(cache, 'fd00::1', ['node:zone=a']);
    expect(text(cache, 'fd00::1')).toBe('cidr:fd00--1/128,reserved:world-ipv6');
  });

  it('gathers the labels of all of this node on identity 1', () => {
    const { cache } = make();
    expect(cache.host().labels.text).toBe('reserved:host=;');
    put(cache, '192.0.2.1', ['reserved:host', 'k8s:zone=a'], { source: 'local' });
    put(cache, 'fd00::1', ['reserved:host', 'reserved:kube-apiserver'], { source: 'local' });
    const all = 'reserved:host=;reserved:kube-apiserver=;k8s:zone=a;';
    expect(cache.host()).toMatchObject({ id: 1, labels: { text: all } });
    expect(cache.get(p('fd00::1'))?.identity.labels.text).toBe(all);
    expect(cache.lookup(parseIp('192.0.2.1')!).labels.text).toBe(all);
    const before = cache.revision;
    cache.remove(p('fd00::1'), 'test');
    expect(cache.host().labels.text).toBe('reserved:host=;k8s:zone=a;');
    expect(cache.revision).toBeGreaterThan(before);
    cache.removeResource('test');
    expect(cache.host().labels.text).toBe('reserved:host=;');
  });
});

describe('sources', () => {
  it('are ordered', () => {
    expect(IPCACHE_SOURCES[0]).toBe('kube-apiserver');
    expect(mayOverwrite('k8s', 'k8s')).toBe(true);
    expect(mayOverwrite('k8s', 'local')).toBe(true);
    expect(mayOverwrite('local', 'k8s')).toBe(false);
    expect(compareSources('restored', 'generated')).toBeGreaterThan(0);
  });

  it('decide between labels with the same key; the others are kept', () => {
    const { cache } = make();
    put(cache, '192.0.2.1', ['fqdn:a=weak', 'fqdn:b'], { resource: '1', source: 'generated' });
    put(cache, '192.0.2.1', ['fqdn:a=strong'], { resource: '2', source: 'k8s' });
    expect(text(cache, '192.0.2.1')).toBe('fqdn:a=strong,fqdn:b,reserved:world-ipv4');
    expect(cache.get(p('192.0.2.1'))?.source).toBe('k8s');
    cache.remove(p('192.0.2.1'), '2');
    expect(text(cache, '192.0.2.1')).toBe('fqdn:a=weak,fqdn:b,reserved:world-ipv4');
    expect(cache.get(p('192.0.2.1'))?.source).toBe('generated');
  });

  it('with an identity override labels, the strongest first', () => {
    const { cache, local } = make();
    const pod = { id: numericIdentity(300), labels: labelSet(['k8s:app=web']) };
    const other = { id: numericIdentity(301), labels: labelSet(['k8s:app=db']) };
    putCidr(cache, '10.0.0.0/8');
    putCidr(cache, '10.0.0.1');
    cache.upsert({ prefix: p('10.0.0.1'), resource: 'api', source: 'api', labels: { identity: other } });
    cache.upsert({ prefix: p('10.0.0.1'), resource: 'endpoint', source: 'local', labels: { identity: pod } });
    expect(cache.get(p('10.0.0.1'))).toMatchObject({ identity: pod, source: 'local' });
    expect([...local.all()]).toHaveLength(1);
    cache.remove(p('10.0.0.1'), 'endpoint');
    expect(who(cache, '10.0.0.1')).toBe(301);
    cache.remove(p('10.0.0.1'), 'api');
    expect(text(cache, '10.0.0.1')).toBe('cidr:10.0.0.1/32,reserved:world-ipv4');
  });

  it('do not pass an identity on to prefixes inside', () => {
    const { cache } = make();
    cache.upsert({ prefix: p('10.0.0.0/8'), resource: 'x', source: 'local', labels: { identity: { id: numericIdentity(300), labels: labelSet(['k8s:app=web']) } } });
    putCidr(cache, '10.1.0.0/16');
    expect(text(cache, '10.1.0.0/16')).toBe('cidr:10.1.0.0/16,reserved:world-ipv4');
  });

  it('must be known', () => {
    expect(() => put(make().cache, '10.0.0.0/8', [], { source: 'me' as IpCacheSource })).toThrow(/source: "me" is none of/);
  });
});

describe('revision and references', () => {
  it('stay where nothing changes', () => {
    const { cache } = make();
    putCidr(cache, '10.0.0.0/8');
    const { revision } = cache;
    putCidr(cache, '10.0.0.0/8');
    putCidr(cache, '10.0.0.0/8', 'another');
    cache.remove(p('10.0.0.0/8'), 'another');
    expect(cache.remove(p('10.0.0.0/8'), 'nobody')).toBe(false);
    expect(cache.remove(p('11.0.0.0/8'), 'policy')).toBe(false);
    expect(cache.removeResource('nobody')).toBe(0);
    expect(cache.revision).toBe(revision);
  });

  it('save the allocator once per pass', () => {
    let saves = 0;
    const memory = createMemoryStore();
    const local = createIdentityAllocator({ scope: 'local', store: { load: memory.load, save: (records) => { saves++; memory.save(records); } } });
    const cache = createIpCache({ local, ...dual });
    for (let i = 0; i < 100; i++) putCidr(cache, `10.${i}.0.0/16`);
    expect(saves).toBe(0);
    expect([...cache.entries()]).toHaveLength(100);
    expect(saves).toBe(1);
  });

  it('survive exhaustion: entries stay as they were until there is room', () => {
    const local = createIdentityAllocator({ scope: 'local', range: { first: 16_777_217, last: 16_777_218 } });
    const cache = createIpCache({ local, ...dual });
    putCidr(cache, '10.0.0.0/8');
    putCidr(cache, '11.0.0.0/8');
    expect([...cache.entries()]).toHaveLength(2);
    putCidr(cache, '12.0.0.0/8');
    expect(() => [...cache.entries()]).toThrow(expect.objectContaining({ code: 'exhausted' }) as Error);
    expect(() => who(cache, '10.0.0.1')).toThrow(expect.objectContaining({ code: 'exhausted' }) as Error);
    cache.remove(p('12.0.0.0/8'), 'policy');
    expect(who(cache, '10.0.0.1')).toBe(16_777_217);
  });
});

describe('any sequence of changes', () => {
  const prefix = fc.constantFrom('0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.1.0/24', '10.1.1.1/32', '10.1.1.2/32', '192.0.2.1/32', 'fd00::/8', 'fd00::1/128');
  const labels = fc.constantFrom(['cidr'], ['fqdn:a'], ['cidrgroup:g=1'], ['cidrgroup:g=2'], ['reserved:host'], ['reserved:remote-node'], ['k8s:x=y'], ['cidr', 'fqdn:b'], ['node:z']);
  const step = fc.record({ prefix, resource: fc.constantFrom('r1', 'r2', 'r3'), source: fc.constantFrom<IpCacheSource>('local', 'k8s', 'generated'), labels, remove: fc.boolean(), read: fc.boolean() });

  it('ends in the state that the last word of each resource describes, with no reference lost', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { cache, local } = make();
        const last = new Map<string, { prefix: Cidr; source: IpCacheSource; labels: readonly string[]; resource: string }>();
        for (const each of steps) {
          const at = p(each.prefix);
          const names = each.labels.map((name) => (name === 'cidr' ? (at.prefixLength === 0 ? 'fqdn:zero' : `cidr:${at.text}`) : name));
          const word = `${each.prefix} ${each.resource}`;
          if (each.remove) expect(cache.remove(at, each.resource)).toBe(last.delete(word));
          else {
            put(cache, each.prefix, names, each);
            last.set(word, { prefix: at, source: each.source, labels: names, resource: each.resource });
          }
          if (each.read) expect(cache.revision).toBeGreaterThanOrEqual(0);
        }
        const fresh = make().cache;
        for (const each of [...last.values()].reverse()) put(fresh, each.prefix.text, each.labels, each);
        const state = (of: IpCache): string[] => Array.from(of.entries(), ({ prefix: at, identity, source }) => `${at.text} ${source} ${identity.labels.text}`);
        expect(state(cache)).toEqual(state(fresh));
        expect(cache.host().labels.text).toBe(fresh.host().labels.text);

        const entries = [...cache.entries()];
        const ids = new Set(entries.map(({ identity }) => identity.id).filter((id) => id > 255));
        expect(new Set(Array.from(cache.identities(), ({ id }) => id))).toEqual(ids);
        expect(new Set(Array.from(local.all(), ({ id }) => id))).toEqual(ids);
        for (const ip of ['10.1.1.1', '10.1.1.9', '10.9.0.1', '1.1.1.1', 'fd00::2', '::1']) {
          const address = parseIp(ip)!;
          const longest = entries.filter((entry) => cidrContains(entry.prefix, address)).sort((a, b) => b.prefix.prefixLength - a.prefix.prefixLength)[0];
          expect(who(cache, ip)).toBe(longest?.identity.id ?? (address.family === 4 ? 9 : 10));
        }
        for (const resource of ['r1', 'r2', 'r3']) cache.removeResource(resource);
        expect([...cache.entries()]).toEqual([]);
        expect([...local.all()]).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('ten thousand prefixes', () => {
  // Some 100 ms of CPU time; a cost that grew with the square would run into the limit.
  it('are taken in and worked out in one pass', { timeout: 30_000 }, () => {
    const { cache, local } = make();
    const prefixes = Array.from({ length: 10_000 }, (_, i) => p(`10.${i >> 8}.${i & 255}.0/24`));
    for (const prefix of prefixes) cache.upsert({ prefix, resource: 'policy', source: 'generated', labels: cidrLabels(prefix, dual) });
    expect([...cache.entries()]).toHaveLength(10_000);
    expect([...local.all()]).toHaveLength(10_000);
    expect(cache.removeResource('policy')).toBe(10_000);
    expect([...cache.entries()]).toEqual([]);
  });
});
