import { parseCidr } from '@cilium-ts/core';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { kernelIsSupported, missingCapabilities } from '../../src/lifecycle/requirements.ts';
import { toText } from '../../src/log/logger.ts';
import { createMonitorHub } from '../../src/monitor/monitor-hub.ts';
import { droppingForwardChains } from '../../src/node/forward-policy.ts';
import { isMasqueradeTable, masqueradeRuleset } from '../../src/node/masquerade.ts';
import { VERSION } from '../../src/version.ts';

describe('masqueradeRuleset', () => {
  it('replaces its own table in one transaction and leaves excluded prefixes alone', () => {
    const rules = masqueradeRuleset({ ipv4: [parseCidr('10.0.0.0/16')!, parseCidr('192.168.0.0/16')!] });
    expect(rules.split('\n').slice(0, 3)).toEqual(['table inet cilium {}', 'delete table inet cilium', 'table inet cilium {']);
    expect(rules).toContain('ip daddr != { 10.0.0.0/16, 192.168.0.0/16 } masquerade');
    expect(rules).not.toContain('ip6');
  });
});

describe('isMasqueradeTable', () => {
  const chain = { chain: { family: 'inet', table: 'cilium', name: 'postrouting', type: 'nat', hook: 'postrouting' } };
  const rule = { rule: { family: 'inet', table: 'cilium', chain: 'postrouting', expr: [{ match: { op: '==', left: { meta: { key: 'nfproto' } }, right: 'ipv4' } }, { masquerade: null }] } };
  const table = (...objects: object[]) => JSON.stringify({ nftables: [{ metainfo: {} }, { table: { family: 'inet', name: 'cilium' } }, ...objects] });
  it.each([
    ['whole', table(chain, rule, rule), true],
    ['one rule missing', table(chain, rule), false],
    ['flushed', table(chain), false],
    ['without its chain', table(), false],
  ])('%s', (_, json, expected) => {
    expect(isMasqueradeTable(json, { ipv4: [], ipv6: [] })).toBe(expected);
  });
});

describe('droppingForwardChains', () => {
  it('finds chains of any table that drop by default', () => {
    const chain = (name: string, hook: string, policy: string) => ({ chain: { family: 'ip', table: 'filter', name, hook, policy } });
    expect(droppingForwardChains(JSON.stringify({ nftables: [{ metainfo: {} }, chain('INPUT', 'input', 'drop'), chain('FORWARD', 'forward', 'drop'), chain('other', 'forward', 'accept')] }))).toEqual(['ip filter FORWARD']);
  });
});

describe('requirements', () => {
  it('names missing capabilities', () => {
    expect(missingCapabilities('000001ffffffffff')).toEqual([]);
    expect(missingCapabilities('0')).toEqual(['CAP_NET_ADMIN', 'CAP_SYS_ADMIN', 'CAP_PERFMON', 'CAP_BPF']);
  });
  it.each([['6.1.0-18-amd64', true], ['6.18.44', true], ['7.0.0', true], ['5.15.0', false], ['6.0.9', false]])('kernel %s: %s', (release, supported) => { expect(kernelIsSupported(release)).toBe(supported); });
});

describe('toText', () => {
  it('writes key=value, quoting where needed', () => {
    expect(toText('{"level":40,"time":"t","msg":"a b","n":5,"s":"x=y","o":{"a":1}}')).toBe('time=t level=warning msg="a b" n=5 s="x=y" o="{\\"a\\":1}"\n');
  });
});

describe('VERSION', () => {
  it("is the package's", () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
    expect(VERSION).toBe(version);
  });
});

describe('createMonitorHub', () => {
  const event = (message: string) => ({ type: 'agent' as const, timestamp: '', kind: 'x', message });

  it('begins with how much was missed, then hands over what is accepted', async () => {
    const hub = createMonitorHub({ limit: 10 });
    hub.publish(event('early'));
    hub.skip(4);
    const abort = new AbortController();
    const seen: unknown[] = [];
    const reading = (async () => { for await (const each of hub.subscribe({ accept: (item) => item.type !== 'agent' || item.message !== 'no', signal: abort.signal })) seen.push(each); })();
    await expect.poll(() => seen.length).toBe(1);
    for (const message of ['yes', 'no', 'yes']) hub.publish(event(message));
    hub.lost(3);
    await expect.poll(() => seen.length).toBe(4);
    abort.abort();
    await reading;
    expect(seen).toMatchObject([{ type: 'start', missed: 5 }, { message: 'yes' }, { message: 'yes' }, { type: 'lost', where: 'kernel', count: 3 }]);
    expect([hub.listeners, hub.lostTotal]).toEqual([0, 3]);
  });

  it('counts what a slow reader loses and holds up nobody', async () => {
    const hub = createMonitorHub({ limit: 2 });
    const abort = new AbortController();
    const stream = hub.subscribe({ accept: () => true, signal: abort.signal })[Symbol.asyncIterator]();
    await stream.next();
    for (let at = 0; at < 5; at++) hub.publish(event(String(at)));
    expect([(await stream.next()).value, (await stream.next()).value, (await stream.next()).value]).toMatchObject([{ message: '0' }, { message: '1' }, { type: 'lost', where: 'reader', count: 3 }]);
    hub.close();
    expect((await stream.next()).done).toBe(true);
  });
});
