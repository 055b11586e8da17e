import type { IpAddress } from '@cilium-ts/core';
import { ipFromBytes, parseCidr, parseIp } from '@cilium-ts/core';
import { createIdentityAllocator, createIpCache, labelSet, numericIdentity } from '@cilium-ts/identity';
import { describe, expect, it } from 'vitest';
import type { AddressChange, FqdnSelector, NameCache, NameCacheOptions } from '../../src/index.ts';
import { PolicyModelError, createNameCache, feedIpCache, resolveAnswer } from '../../src/index.ts';

const ip = (text: string): IpAddress => parseIp(text)!;
const A = ip('192.0.2.1');
const B = ip('192.0.2.2');
const C = ip('192.0.2.3');
const SECOND = 1000;

function make(selectors: readonly FqdnSelector[], options?: Partial<NameCacheOptions>): NameCache {
  const cache = createNameCache(options);
  cache.setSelectors(selectors);
  return cache;
}
/** `192.0.2.1 +a.com. -b.com.` for each change. */
const text = (changes: readonly AddressChange[]): string[] =>
  changes.map(({ address, added, removed }) => [address.text, ...added.map((key) => `+${key}`), ...removed.map((key) => `-${key}`)].join(' '));
const keys = (cache: NameCache, address: IpAddress): string[] => [...cache.labels(address)].map(({ key }) => key);
/** Two looks at the connections that see nothing. */
function sweepTwice(cache: NameCache, from: number): void {
  cache.connectionsSwept(from);
  cache.connectionsSwept(from + 1);
}

describe('labels', () => {
  it('come with an answer and merge over names and selectors', () => {
    const cache = make([{ name: 'a.com.' }, { pattern: '*.com.' }, { name: 'b.org.' }]);
    expect(text(cache.update({ name: 'A.COM', addresses: [A, B, A], ttl: 60, now: 0 }).changes)).toEqual([
      '192.0.2.1 +*.com. +a.com.',
      '192.0.2.2 +*.com. +a.com.',
    ]);
    expect(text(cache.update({ name: 'b.org.', addresses: [A], ttl: 60, now: 0 }).changes)).toEqual(['192.0.2.1 +b.org.']);
    expect(cache.update({ name: 'c.net', addresses: [A], ttl: 60, now: 0 })).toEqual({ updated: true, changes: [] });
    expect(cache.labels(A).toStrings()).toEqual(['fqdn:*.com.', 'fqdn:a.com.', 'fqdn:b.org.']);
    expect(cache.names(A)).toEqual(['a.com.', 'b.org.', 'c.net.']);
    expect(cache.addresses('a.com').map((address) => address.text)).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it('follow the selectors', () => {
    const cache = make([]);
    cache.update({ name: 'www.a.com', addresses: [A], ttl: 60, now: 0 });
    cache.update({ name: 'a.com', addresses: [B], ttl: 60, now: 0 });
    expect(text(cache.setSelectors([{ pattern: '**.a.com.' }, { name: 'a.com.' }]))).toEqual(['192.0.2.1 +**.a.com.', '192.0.2.2 +a.com.']);
    expect(text(cache.setSelectors([{ pattern: '*.com.' }, { name: 'a.com.' }]))).toEqual(['192.0.2.1 -**.a.com.', '192.0.2.2 +*.com.']);
    expect(cache.selectors()).toEqual([{ pattern: '*.com.' }, { name: 'a.com.' }]);
    expect(cache.labelled().map(({ address, labels }) => `${address.text} ${labels.toStrings().join()}`)).toEqual(['192.0.2.2 fqdn:*.com.,fqdn:a.com.']);
    expect(text(cache.setSelectors([]))).toEqual(['192.0.2.2 -*.com. -a.com.']);
  });

  it('are those of the IPv4 address that an AAAA record carries', () => {
    const cache = make([{ pattern: '*' }]);
    const mapped = ipFromBytes(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1));
    expect(text(cache.update({ name: 'a.com', addresses: [mapped], ttl: 1, now: 0 }).changes)).toEqual(['192.0.2.1 +*']);
    expect(keys(cache, mapped)).toEqual(['*']);
  });

  it('are given to aliases only where the caller says so', () => {
    const cache = make([{ pattern: '*.cdn.net.' }, { name: 'a.com.' }]);
    cache.update({ name: 'a.com', addresses: [A], ttl: 60, now: 0 });
    expect(keys(cache, A)).toEqual(['a.com.']);
    cache.update({ name: 'a.com', aliases: ['x.cdn.net', 'bad name', 'A.com.'], addresses: [A], ttl: 60, now: 0 });
    expect(keys(cache, A)).toEqual(['*.cdn.net.', 'a.com.']);
  });
});

describe('time', () => {
  it('is over only with a collection, the first moment after the ttl', () => {
    const cache = make([{ name: 'a.com.' }], { maxZombies: 0 });
    cache.update({ name: 'a.com', addresses: [A], ttl: 10, now: 5 * SECOND });
    expect(cache.collect(15 * SECOND)).toEqual({ changes: [], expired: 0, evicted: 0, zombies: 0, dead: 0, evictedInUse: false });
    expect(keys(cache, A)).toEqual(['a.com.']);
    const { changes, ...rest } = cache.collect(15 * SECOND + 1);
    expect(text(changes)).toEqual(['192.0.2.1 -a.com.']);
    expect(rest).toEqual({ expired: 1, evicted: 0, zombies: 0, dead: 1, evictedInUse: false });
  });

  it('of an answer is at least the minimum', () => {
    const cache = make([{ name: 'a.com.' }], { minTtl: 3600, maxZombies: 0 });
    cache.update({ name: 'a.com', addresses: [A], ttl: 0, now: 0 });
    expect(cache.collect(3600 * SECOND).expired).toBe(0);
    expect(cache.collect(3600 * SECOND + 1).expired).toBe(1);
  });

  it('is the longest that an answer gave, for each address', () => {
    const cache = make([{ name: 'a.com.' }], { maxZombies: 0 });
    expect(cache.update({ name: 'a.com', addresses: [A, B], ttl: 100, now: 0 }).updated).toBe(true);
    expect(cache.update({ name: 'a.com', addresses: [A], ttl: 10, now: SECOND }).updated).toBe(false);
    expect(cache.update({ name: 'a.com', addresses: [B], ttl: 100, now: SECOND }).updated).toBe(true);
    expect(text(cache.collect(100 * SECOND + 1).changes)).toEqual(['192.0.2.1 -a.com.']);
    expect(text(cache.collect(101 * SECOND + 1).changes)).toEqual(['192.0.2.2 -a.com.']);
  });

  it('with the highest bit of the ttl set is none (RFC 2181)', () => {
    const cache = make([{ name: 'a.com.' }], { maxZombies: 0 });
    cache.update({ name: 'a.com', addresses: [A], ttl: 0x8000_0000, now: 0 });
    expect(cache.collect(1).expired).toBe(1);
  });
});

describe('limits', () => {
  it('of addresses of a name evict those that expire first, with a collection, as zombies', () => {
    const cache = make([{ name: 'a.com.' }], { maxAddressesPerName: 2 });
    cache.update({ name: 'a.com', addresses: [B], ttl: 30, now: 0, endpoint: '7' });
    cache.update({ name: 'a.com', addresses: [A, C], ttl: 60, now: 0, endpoint: '7' });
    expect(cache.addresses('a.com')).toHaveLength(3);
    const { changes, ...rest } = cache.collect(SECOND);
    expect(changes).toEqual([]);
    expect(rest).toEqual({ expired: 0, evicted: 1, zombies: 1, dead: 0, evictedInUse: false });
    // It goes when its time would have been over, no earlier.
    sweepTwice(cache, 20 * SECOND);
    expect(cache.collect(21 * SECOND).dead).toBe(0);
    sweepTwice(cache, 31 * SECOND);
    expect(text(cache.collect(32 * SECOND).changes)).toEqual(['192.0.2.2 -a.com.']);
  });

  it('count for each endpoint and each name alone', () => {
    const cache = make([{ pattern: '*' }], { maxAddressesPerName: 1 });
    cache.update({ name: 'a.com', addresses: [A], ttl: 60, now: 0, endpoint: '1' });
    cache.update({ name: 'a.com', addresses: [B], ttl: 60, now: 0, endpoint: '2' });
    cache.update({ name: 'b.com', addresses: [C], ttl: 60, now: 0, endpoint: '1' });
    expect(cache.collect(SECOND).evicted).toBe(0);
  });

  it('of an endpoint hold over all of its names', () => {
    const cache = make([{ pattern: '*' }], { maxAddressesPerEndpoint: 2, maxZombies: 0 });
    for (const [i, address] of [A, B, C].entries()) cache.update({ name: `${i}.com`, addresses: [address], ttl: 60 - i, now: 0, endpoint: '1' });
    expect(text(cache.collect(1).changes)).toEqual(['192.0.2.3 -*']);
  });

  it('of zombies evict those seen longest ago, then pending longest, then of fewest names', () => {
    const cache = make([{ pattern: '*' }], { maxZombies: 2 });
    cache.update({ name: 'a.com', addresses: [A], ttl: 1, now: 0 });
    cache.update({ name: 'b.com', addresses: [B], ttl: 1, now: 0 });
    cache.update({ name: 'c.com', addresses: [B], ttl: 1, now: 0 });
    cache.update({ name: 'd.com', addresses: [C], ttl: 1, now: 0 });
    // A and C have one name, B two; C is alive.
    cache.connectionsSwept(500);
    expect(cache.collect(1000).zombies).toBe(0);
    const grown = make([{ pattern: '*' }], { maxZombies: 3 });
    grown.restore(cache.snapshot(), 2 * SECOND);
    expect(grown.markAlive({ address: C, now: 3 * SECOND })).toBe(true);
    expect(text(cache.collect(2 * SECOND).changes)).toEqual(['192.0.2.1 -*']);
    grown.update({ name: 'e.com', addresses: [ip('192.0.2.9')], ttl: 1, now: 2 * SECOND });
    // Of the same age and time: A has fewer names than B; 9 is pending since later.
    expect(text(grown.collect(9 * SECOND).changes)).toEqual(['192.0.2.1 -*']);
    grown.update({ name: 'f.com', addresses: [ip('192.0.2.8')], ttl: 1, now: 9 * SECOND });
    expect(text(grown.collect(19 * SECOND).changes)).toEqual(['192.0.2.2 -*']);
  });

  it('say when they cut a connection that was seen', () => {
    const cache = make([{ pattern: '*' }], { maxZombies: 1 });
    cache.update({ name: 'a.com', addresses: [A], ttl: 1, now: 0 });
    expect(cache.collect(2 * SECOND).evictedInUse).toBe(false);
    cache.update({ name: 'b.com', addresses: [B], ttl: 1, now: 0 });
    cache.connectionsSwept(3 * SECOND);
    cache.markAlive({ address: A, now: 4 * SECOND });
    // B is new, and so has been alive since the last sweep only: it goes, and nobody saw it.
    const first = cache.collect(4 * SECOND);
    expect([text(first.changes), first.evictedInUse]).toEqual([['192.0.2.2 -*'], false]);
    const crowded = make([{ pattern: '*' }], { maxAddressesPerName: 1 });
    crowded.update({ name: 'a.com', addresses: [A], ttl: 1, now: 0 });
    crowded.update({ name: 'b.com', addresses: [B], ttl: 1, now: 0 });
    crowded.collect(2 * SECOND);
    crowded.markAlive({ address: A, now: 3 * SECOND });
    crowded.markAlive({ address: B, now: 4 * SECOND });
    crowded.update({ name: 'b.com', addresses: [A], ttl: 1, now: 5 * SECOND });
    const second = crowded.collect(21 * SECOND);
    expect([text(second.changes), second.evictedInUse]).toEqual([['192.0.2.1 -*'], true]);
  });
});

describe('zombies', () => {
  const zombie = (options?: Partial<NameCacheOptions>): NameCache => {
    const cache = make([{ name: 'a.com.' }], options);
    cache.update({ name: 'a.com', addresses: [A], ttl: 10, now: 0, endpoint: '1' });
    cache.collect(10 * SECOND + 1);
    return cache;
  };
  const alive = (cache: NameCache): boolean => {
    cache.collect(1_000_000 * SECOND);
    return keys(cache, A).length > 0;
  };

  it('live until two sweeps after their time have not seen them', () => {
    const cache = zombie();
    expect(alive(cache)).toBe(true);
    cache.connectionsSwept(20 * SECOND);
    expect(alive(cache)).toBe(true);
    cache.connectionsSwept(21 * SECOND);
    expect(alive(cache)).toBe(false);
  });

  it('outlive sweeps that began before their time, and the grace', () => {
    const early = zombie();
    sweepTwice(early, 9 * SECOND);
    expect(alive(early)).toBe(true);
    const graceful = zombie({ idleGrace: 60 });
    sweepTwice(graceful, 70 * SECOND);
    expect(alive(graceful)).toBe(true);
    sweepTwice(graceful, 71 * SECOND);
    expect(alive(graceful)).toBe(false);
  });

  it('live as long as they are seen, by their own endpoint', () => {
    const cache = zombie();
    for (let time = 20; time < 100; time += 10) {
      expect(cache.markAlive({ address: A, now: time * SECOND, endpoint: '1' })).toBe(true);
      expect(cache.markAlive({ address: A, now: time * SECOND + 9, endpoint: '2' })).toBe(false);
      expect(cache.markAlive({ address: A, now: time * SECOND + 9 })).toBe(false);
      cache.connectionsSwept(time * SECOND);
      expect(alive(cache)).toBe(true);
    }
    cache.connectionsSwept(100 * SECOND);
    expect(alive(cache)).toBe(false);
  });

  it('keep the other addresses of their names', () => {
    const cache = make([{ name: 'a.com.' }, { name: 'b.com.' }]);
    cache.update({ name: 'a.com', addresses: [A, B], ttl: 1, now: 0 });
    cache.update({ name: 'b.com', addresses: [C], ttl: 1, now: 0 });
    cache.collect(2 * SECOND);
    sweepTwice(cache, 3 * SECOND);
    cache.markAlive({ address: A, now: 5 * SECOND });
    expect(text(cache.collect(6 * SECOND).changes)).toEqual(['192.0.2.3 -b.com.']);
    sweepTwice(cache, 10 * SECOND);
    expect(text(cache.collect(11 * SECOND).changes)).toEqual(['192.0.2.1 -a.com.', '192.0.2.2 -a.com.']);
  });

  it('are revived by an answer, without a gap', () => {
    const cache = zombie();
    expect(cache.update({ name: 'a.com', addresses: [A, B], ttl: 10, now: 15 * SECOND, endpoint: '1' }).changes.map(({ address }) => address.text)).toEqual(['192.0.2.2']);
    expect(cache.markAlive({ address: A, now: 16 * SECOND, endpoint: '1' })).toBe(false);
    sweepTwice(cache, 30 * SECOND);
    expect(cache.collect(31 * SECOND).zombies).toBe(2);
  });

  it('of one endpoint do not die with another, and go with theirs', () => {
    const cache = zombie();
    cache.update({ name: 'a.com', addresses: [A], ttl: 10, now: 0, endpoint: '2' });
    expect(cache.removeEndpoint('2')).toEqual([]);
    expect(cache.removeEndpoint('3')).toEqual([]);
    expect(text(cache.removeEndpoint('1'))).toEqual(['192.0.2.1 -a.com.']);
  });

  it('are forgotten by name', () => {
    const cache = zombie();
    cache.update({ name: 'b.com', addresses: [A], ttl: 10, now: 0 });
    expect(cache.forget({ pattern: 'b.*' })).toEqual([]);
    expect(cache.names(A)).toEqual(['a.com.']);
    expect(text(cache.forget())).toEqual(['192.0.2.1 -a.com.']);
    expect(cache.snapshot().endpoints.flatMap(({ lookups, zombies }) => [...lookups, ...zombies])).toEqual([]);
  });
});

describe('hostile input', () => {
  it.each(['a..com', String.raw`a\.com`, 'a com', 'x'.repeat(300), '\u212Aube.io'])('has no place for the name %j', (name) => {
    const cache = make([{ pattern: '*' }, { pattern: '**.com.' }]);
    expect(cache.update({ name, addresses: [A], ttl: 60, now: 0 })).toEqual({ updated: false, changes: [] });
    expect(cache.snapshot().endpoints).toEqual([]);
    expect(cache.addresses(name)).toEqual([]);
  });

  it('of the caller is named', () => {
    const cache = make([]);
    for (const ttl of [-1, 1.5, NaN, 2 ** 32]) expect(() => cache.update({ name: 'a', addresses: [A], ttl, now: 0 })).toThrow(/^ttl: /);
    for (const now of [-1, NaN, Infinity]) {
      expect(() => cache.update({ name: 'a', addresses: [A], ttl: 1, now })).toThrow(/^now: /);
      expect(() => cache.collect(now)).toThrow(RangeError);
      expect(() => cache.connectionsSwept(now)).toThrow(/^startedAt: /);
    }
    expect(() => createNameCache({ maxZombies: -1 })).toThrow(/^maxZombies: /);
    expect(() => createNameCache({ minTtl: 0.5 })).toThrow(/^minTtl: /);
  });

  it('of very many names for one address, and addresses of one name, costs what it should', () => {
    const cache = make([{ pattern: '**.evil.org.' }, { pattern: '*' }], { maxAddressesPerName: 10, maxZombies: 10 });
    for (let i = 0; i < 20_000; i++) cache.update({ name: `${i}.evil.org`, addresses: [A], ttl: 1, now: 0 });
    const many = Array.from({ length: 20_000 }, (_, i) => ipFromBytes(Uint8Array.of(10, 0, i >> 8, i & 255)));
    cache.update({ name: 'many.evil.org', addresses: many, ttl: 1, now: 0 });
    expect(cache.labelled()).toHaveLength(20_001);
    cache.collect(2 * SECOND);
    expect(cache.labelled()).toHaveLength(10);
  });
});

describe('snapshots', () => {
  it('hold everything, and are the same for the same content', () => {
    const cache = make([{ pattern: '*' }]);
    cache.update({ name: 'b.com', addresses: [B, A], ttl: 100, now: SECOND, endpoint: '1' });
    cache.update({ name: 'a.com', addresses: [A], ttl: 1, now: SECOND, endpoint: '1' });
    cache.update({ name: 'a.com', addresses: [C], ttl: 100, now: SECOND });
    cache.collect(3 * SECOND);
    const saved = JSON.parse(JSON.stringify(cache.snapshot())) as unknown;
    expect(saved).toEqual({
      version: 1,
      endpoints: [
        { lookups: [{ name: 'a.com.', address: '192.0.2.3', lookedUpAt: 1000, expiresAt: 101_000 }], zombies: [] },
        {
          endpoint: '1',
          lookups: [
            { name: 'b.com.', address: '192.0.2.1', lookedUpAt: 1000, expiresAt: 101_000 },
            { name: 'b.com.', address: '192.0.2.2', lookedUpAt: 1000, expiresAt: 101_000 },
          ],
          zombies: [{ address: '192.0.2.1', names: ['a.com.'], aliveAt: 0, deletePendingAt: 3000 }],
        },
      ],
    });
    const again = make([{ pattern: '*' }]);
    expect(text(again.restore(saved, 4 * SECOND))).toEqual(['192.0.2.1 +*', '192.0.2.2 +*', '192.0.2.3 +*']);
    expect(again.snapshot()).toEqual(saved);
  });

  it('read later make zombies of what expired meanwhile', () => {
    const cache = make([{ pattern: '*' }]);
    cache.update({ name: 'a.com', addresses: [A], ttl: 100, now: SECOND });
    const again = make([{ pattern: '*' }]);
    expect(text(again.restore(cache.snapshot(), 1000 * SECOND))).toEqual(['192.0.2.1 +*']);
    again.connectionsSwept(1001 * SECOND);
    expect(again.collect(1001 * SECOND).dead).toBe(0);
    again.connectionsSwept(1002 * SECOND);
    expect(again.collect(1003 * SECOND).dead).toBe(1);
  });

  it('of a clock that was ahead do not keep zombies for ever', () => {
    const again = make([{ pattern: '*' }]);
    const zombies = [{ address: '192.0.2.1', names: ['a.com.'], aliveAt: 9e15, deletePendingAt: 1 }];
    again.restore({ version: 1, endpoints: [{ lookups: [], zombies }] }, SECOND);
    sweepTwice(again, 2 * SECOND);
    expect(again.collect(3 * SECOND).dead).toBe(1);
  });

  it.each([
    [undefined, 'snapshot is no object'],
    [[], 'snapshot is no object'],
    [{}, 'version is undefined, this version reads 1'],
    [{ version: 2, endpoints: [] }, 'version is 2'],
    [{ version: 1 }, 'endpoints is no list'],
    [{ version: 1, endpoints: [null] }, 'endpoints[0] is no object'],
    [{ version: 1, endpoints: [{ endpoint: 7, lookups: [], zombies: [] }] }, 'endpoints[0].endpoint is no text'],
    [{ version: 1, endpoints: [{ lookups: [{ name: 'a b', address: '192.0.2.1', lookedUpAt: 0, expiresAt: 1 }], zombies: [] }] }, 'endpoints[0].lookups[0].name is no DNS name'],
    [{ version: 1, endpoints: [{ lookups: [{ name: 'a', address: 'x', lookedUpAt: 0, expiresAt: 1 }], zombies: [] }] }, 'endpoints[0].lookups[0].address is no address'],
    [{ version: 1, endpoints: [{ lookups: [{ name: 'a', address: '::1', lookedUpAt: '0', expiresAt: 1 }], zombies: [] }] }, 'lookedUpAt is no time'],
    [{ version: 1, endpoints: [{ lookups: [], zombies: [{ address: '::1', names: 'a', aliveAt: 0, deletePendingAt: 0 }] }] }, 'endpoints[0].zombies[0].names is no list'],
  ])('that are none are refused as a whole: %j', (snapshot, why) => {
    const cache = make([{ pattern: '*' }]);
    expect(() => cache.restore(snapshot, 0)).toThrow(PolicyModelError);
    expect(() => cache.restore(snapshot, 0)).toThrow(why);
    expect(cache.labelled()).toEqual([]);
  });
});

describe('resolveAnswer', () => {
  const address = (owner: string, to: IpAddress, ttl = 60) => ({ kind: 'address', owner, ttl, address: to }) as const;
  const cname = (owner: string, target: string, ttl = 60) => ({ kind: 'cname', owner, ttl, target }) as const;

  it('follows the chain in whatever order it stands', () => {
    const records = [address('C.net', A, 30), cname('b.org.', 'c.net', 20), cname('A.com', 'B.org', 300), address('c.net.', B, 40)];
    expect(resolveAnswer('a.com', records)).toEqual({ addresses: [A, B], aliases: ['b.org.', 'c.net.'], ttl: 20 });
  });

  it('leaves out what nobody asked for', () => {
    const records = [address('a.com', A, 30), address('bank.com', B, 1), cname('bank.com', 'a.com', 2)];
    expect(resolveAnswer('a.com', records)).toEqual({ addresses: [A], aliases: [], ttl: 30 });
  });

  it('ends where a chain loops, breaks off or is no name', () => {
    expect(resolveAnswer('a.com', [cname('a.com', 'b.com'), cname('b.com', 'a.com'), address('b.com', A)])).toEqual({ addresses: [A], aliases: ['b.com.'], ttl: 60 });
    expect(resolveAnswer('a.com', [cname('a.com', 'b.com', 7)])).toEqual({ addresses: [], aliases: ['b.com.'], ttl: 0 });
    expect(resolveAnswer('a.com', [cname('a.com', 'b com'), address('b com', A)])).toEqual({ addresses: [], aliases: [], ttl: 0 });
    expect(resolveAnswer('a b', [address('a b', A)])).toEqual({ addresses: [], aliases: [], ttl: 0 });
  });
});

describe('feedIpCache', () => {
  it('gives addresses outside identities with the labels, and leaves pods alone', () => {
    const ipcache = createIpCache({ local: createIdentityAllocator({ scope: 'local' }), ipv4: true, ipv6: true });
    const pod = { id: numericIdentity(300), labels: labelSet(['k8s:app=web']) };
    ipcache.upsert({ prefix: parseCidr('192.0.2.2/32')!, resource: 'endpoint', source: 'local', labels: { identity: pod } });
    const cache = make([{ name: 'a.com.' }, { pattern: '*.com.' }]);
    feedIpCache(ipcache, cache.update({ name: 'a.com', addresses: [A, B], ttl: 1, now: 0 }).changes);
    expect(ipcache.lookup(A).labels.toStrings()).toEqual(['fqdn:*.com.', 'fqdn:a.com.', 'reserved:world-ipv4']);
    expect(ipcache.lookup(B)).toEqual(pod);
    feedIpCache(ipcache, cache.setSelectors([{ name: 'a.com.' }]));
    expect(ipcache.lookup(A).labels.toStrings()).toEqual(['fqdn:a.com.', 'reserved:world-ipv4']);
    feedIpCache(ipcache, cache.forget());
    expect(ipcache.lookup(A).id).toBe(9);
    expect([...ipcache.entries()]).toHaveLength(1);
  });
});
