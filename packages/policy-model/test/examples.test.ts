import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { workloadLabels } from '@cilium-ts/identity';
import type { Identity } from '@cilium-ts/identity';
import { createPolicyRepository, parsePolicies } from '../src/index.ts';
import { identity, outside, reserved } from './helpers/identities.ts';
import { decide } from './helpers/policies.ts';

const FOLDER = join(import.meta.dirname, '../../../examples/shop');
const isPolicy = (name: string): boolean => name.endsWith('.yaml') && name !== 'scene/pods.yaml';
const FILES = [...readdirSync(FOLDER), ...readdirSync(join(FOLDER, 'scene')).map((name) => `scene/${name}`)].filter(isPolicy);

interface PodSpec {
  name: string;
  namespace: string;
  labels: Record<string, string>;
  tcp?: number[];
  udp?: number[];
}
const shop = parse(readFileSync(join(FOLDER, 'scene/pods.yaml'), 'utf8')) as { pods: PodSpec[]; change: { file: string; from: string; to: string; port: number } };

const load = (files: readonly string[]) => {
  const repository = createPolicyRepository();
  for (const file of files) {
    for (const resource of parsePolicies(readFileSync(join(FOLDER, file), 'utf8'), { file }).resources) repository.upsert(resource);
  }
  return repository;
};
const start = load(FILES.filter((name) => !name.startsWith('scene/')));

const parties = new Map<string, Identity>(
  shop.pods.map(({ name, namespace, labels }, index) => {
    const given = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return [name, identity(300 + index, workloadLabels(given, { namespace, clusterName: 'default' }))];
  }),
);
parties.set('host', reserved('host'));
// What the ipcache makes of the two addresses, given the prefixes of all policies.
parties.set('bank4', outside('198.51.100.0/28', ['198.51.100.0/24']));
parties.set('bank6', outside('2001:db8:c::/64'));
parties.set('stranger', outside('203.0.113.0/24'));
parties.set('customer', reserved('world-ipv6'));

const verdict = (repository: typeof start, [from, to, protocol, port]: readonly [string, string, number, number]): string => {
  const question = { repository, from: parties.get(from)!, to: parties.get(to)!, protocol, port };
  const isPod = (name: string): boolean => shop.pods.some((pod) => pod.name === name);
  for (const direction of ['egress', 'ingress'] as const) {
    if (!isPod(direction === 'egress' ? from : to)) continue;
    const { action, reason } = decide(direction, question);
    if (action !== 'allow') return `${direction} ${reason}`;
  }
  return 'allowed';
};

test.each(FILES)('%s is accepted without a remark and says what it is for', (file) => {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const { resources, issues } = parsePolicies(text, { file });
  expect(issues).toEqual([]);
  expect(resources.length).toBeGreaterThan(0);
  expect(text).toMatch(/^# \S.*\n# /);
});

test('resources do not replace one another', () => {
  const all = FILES.flatMap((file) => parsePolicies(readFileSync(join(FOLDER, file), 'utf8')).resources.map(({ key }) => key));
  expect(new Set(all).size).toBe(all.length);
});

describe('the shop', () => {
  test.each([
    ['customer', 'frontend', 6, 80, 'allowed'],
    ['customer', 'frontend', 6, 9100, 'ingress default-deny'],
    ['bank4', 'frontend', 6, 80, 'allowed'],
    ['bank6', 'frontend', 6, 80, 'allowed'],
    ['stranger', 'frontend', 6, 80, 'ingress denied-by-rule'],
    ['stranger', 'prometheus', 6, 9090, 'ingress denied-by-rule'],
    ['customer', 'cart', 6, 8080, 'ingress default-deny'],
    ['frontend', 'cart', 6, 8080, 'allowed'],
    ['frontend', 'cart', 17, 8125, 'egress default-deny'],
    ['frontend', 'catalog', 6, 8080, 'allowed'],
    ['frontend', 'catalog', 6, 8085, 'egress default-deny'],
    ['frontend', 'db', 6, 5432, 'egress default-deny'],
    ['cart', 'db', 6, 5432, 'allowed'],
    ['catalog', 'db', 6, 5432, 'allowed'],
    ['payments', 'db', 6, 5432, 'egress default-deny'],
    ['cart', 'payments', 6, 8443, 'allowed'],
    ['catalog', 'payments', 6, 8443, 'egress default-deny'],
    ['payments', 'bank4', 6, 443, 'allowed'],
    ['payments', 'bank6', 6, 443, 'allowed'],
    ['payments', 'bank4', 17, 53, 'allowed'],
    ['payments', 'bank4', 6, 80, 'egress default-deny'],
    ['catalog', 'bank4', 6, 443, 'egress default-deny'],
    ['catalog', 'bank6', 6, 443, 'allowed'],
    ['prometheus', 'stranger', 6, 443, 'egress denied-by-rule'],
    ['staging-frontend', 'stranger', 6, 443, 'egress denied-by-rule'],
    ['staging-frontend', 'bank4', 6, 443, 'allowed'],
    ['staging-frontend', 'cart', 6, 8080, 'egress denied-by-rule'],
    ['staging-frontend', 'frontend', 6, 80, 'allowed'],
    ['frontend', 'staging-frontend', 6, 80, 'egress default-deny'],
    ['prometheus', 'staging-frontend', 6, 80, 'egress default-deny'],
    ['host', 'staging-frontend', 6, 80, 'allowed'],
    ['host', 'frontend', 6, 80, 'allowed'],
    ['host', 'db', 6, 5432, 'ingress default-deny'],
    ['prometheus', 'frontend', 6, 9100, 'allowed'],
    ['prometheus', 'db', 6, 9105, 'allowed'],
    ['prometheus', 'db', 6, 5432, 'egress default-deny'],
    ['prometheus', 'catalog', 6, 8085, 'allowed'],
    ['prometheus', 'cart', 6, 8080, 'ingress default-deny'],
    ['prometheus', 'host', 6, 4240, 'allowed'],
    ['frontend', 'host', 6, 4240, 'egress default-deny'],
    ['frontend', 'payments', 1, 8, 'allowed'],
    ['frontend', 'payments', 58, 128, 'allowed'],
    ['frontend', 'host', 58, 128, 'allowed'],
    ['host', 'db', 1, 8, 'allowed'],
    ['bank4', 'db', 1, 8, 'ingress default-deny'],
    ['db', 'bank6', 58, 128, 'egress default-deny'],
  ] as const)('%s to %s, protocol %i port %i: %s', (...row) => {
    const [from, to, protocol, port, expected] = row;
    expect(verdict(start, [from, to, protocol, port])).toBe(expected);
  });

  test('the change stops the connection that it names, and that alone', () => {
    const { file, from, to, port } = shop.change;
    const changed = load([...FILES.filter((name) => !name.startsWith('scene/')), `scene/${file}`]);
    expect(verdict(start, [from, to, 6, port])).toBe('allowed');
    expect(verdict(changed, [from, to, 6, port])).toBe('ingress denied-by-rule');
    expect(verdict(changed, ['frontend', 'catalog', 6, 8080])).toBe('allowed');
    expect(verdict(changed, ['cart', 'db', 6, 5432])).toBe('allowed');
  });
});
