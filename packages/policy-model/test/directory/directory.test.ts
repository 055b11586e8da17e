import { parseCidr, parseIp } from '@cilium-ts/core';
import { numericIdentity, selector } from '@cilium-ts/identity';
import { expect, test } from 'vitest';
import type { DirectoryChange } from '../../src/index.ts';
import { createPolicyDirectory } from '../../src/index.ts';

test('says what changed, and nothing where nothing did', () => {
  const directory = createPolicyDirectory();
  const changes: DirectoryChange[] = [];
  const stop = directory.subscribe((change) => changes.push(change));
  const twice = (change: () => void): void => {
    change();
    const { revision } = directory;
    change();
    expect(directory.revision).toBe(revision);
  };
  const one = numericIdentity(300);
  twice(() => directory.setService({ namespace: 'shop', name: 'a', selector: { app: 'web', tier: 'x' } }));
  directory.setService({ namespace: 'shop', name: 'a', selector: { tier: 'x', app: 'web' } });
  twice(() => directory.setGroup('aws:1', [parseCidr('10.0.0.0/8')!]));
  twice(() => directory.setNamedPorts(one, [{ name: 'Http', protocol: 6, port: 80 }]));
  expect(directory.namedPorts(one)).toEqual([{ name: 'http', protocol: 6, port: 80 }]);
  twice(() => directory.setNamedPorts(one, []));
  twice(() => directory.setGroup('aws:1', []));
  twice(() => directory.removeService('shop', 'a'));
  expect(changes.map(({ kind }) => kind)).toEqual(['service', 'group', 'named-ports', 'named-ports', 'group', 'service']);
  expect(directory.revision).toBe(7);
  expect(directory.referencesRevision).toBe(5);
  stop();
  directory.setGroup('aws:1', [parseCidr('10.0.0.0/8')!]);
  expect(changes).toHaveLength(6);
});

test('finds services by name, and by labels in a namespace or everywhere', () => {
  const directory = createPolicyDirectory();
  directory.setService({ namespace: 'shop', name: 'b', labels: { tier: 'x' }, addresses: [parseIp('192.0.2.1')!, parseCidr('192.0.2.1/32')!] });
  directory.setService({ namespace: 'bank', name: 'a', labels: { tier: 'x' }, selector: {} });
  const tier = selector([{ source: 'any', key: 'tier', operator: 'Exists', values: [] }]);
  expect(directory.services({ namespace: 'shop', name: 'b' })).toMatchObject([{ name: 'b', selector: undefined, prefixes: [{ text: '192.0.2.1/32' }] }]);
  expect(directory.services({ namespace: 'shop', name: 'none' })).toEqual([]);
  expect(directory.services({ selector: tier }).map(({ name }) => name)).toEqual(['a', 'b']);
  expect(directory.services({ selector: tier, namespace: 'bank' })).toMatchObject([{ name: 'a', selector: undefined, prefixes: [] }]);
});
