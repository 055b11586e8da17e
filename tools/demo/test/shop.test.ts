import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPolicyRepository, parsePolicies } from '@cilium-ts/policy-model';
import { allConnections, type Party } from '../src/connection.ts';
import { createExpectation, decisiveRule } from '../src/expectation.ts';
import { readShop } from '../src/shop.ts';

const shop = readShop(join(import.meta.dirname, '..', '..', '..', 'examples', 'shop'));

const probe = {} as Party['probe'];
const parties: Party[] = [
  ...shop.pods.map(({ name, services }, index): Party => ({ name, kind: 'pod', addresses: { 4: `10.0.0.${index + 1}`, 6: `fd00::${index + 1}` }, services, probe })),
  { name: 'node', kind: 'node', addresses: { 4: '192.0.2.1', 6: 'fd00:c1::1' }, services: [{ protocol: 'TCP', port: 4240 }], probe },
  { name: 'world', kind: 'world', addresses: { 4: shop.world.ipv4, 6: shop.world.ipv6 }, services: shop.world.services, probe },
];

describe('the shop', () => {
  it('has connections of every kind, each with client ports of its own', () => {
    const connections = allConnections(parties);
    expect(new Set(connections.map(({ kind }) => kind))).toEqual(new Set(['TCP', 'UDP', 'ICMP']));
    expect(new Set(connections.map(({ localPort }) => localPort)).size).toBe(connections.length);
    expect(connections.some(({ from, to }) => from.kind === 'node' && to.kind === 'world')).toBe(false);
  });

  it('allows some and denies others', () => {
    const repository = createPolicyRepository();
    for (const [file, text] of shop.policies) {
      const { resources, issues } = parsePolicies(text, { file });
      expect(issues.filter(({ severity }) => severity === 'error')).toEqual([]);
      for (const resource of resources) repository.upsert(resource);
    }
    const say = createExpectation(repository, shop);
    const verdicts = new Map<string, Set<string>>();
    for (const connection of allConnections(parties)) {
      const { from, to, kind, port } = connection;
      const key = `${from.name} ${to.name} ${kind} ${port}`;
      const explanation = say(connection);
      if (explanation.verdict === 'denied') expect(decisiveRule(explanation)).toMatch(/\.yaml:\d+/);
      verdicts.set(key, (verdicts.get(key) ?? new Set()).add(explanation.verdict));
    }
    expect(verdicts.get('frontend cart TCP 8080')).toEqual(new Set(['allowed']));
    expect(verdicts.get('staging-frontend cart TCP 8080')).toEqual(new Set(['denied']));
  });
});

describe('readShop', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ct-demo-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const cases = [
    { name: 'an empty world', text: 'change: {}\npods: []\nworld: {}', message: /world: ipv4: expected text/ },
    { name: 'a port out of range', text: 'world: { ipv4: a, ipv6: b, tcp: [70000] }\nchange: { file: pods.yaml, from: a, to: b, port: 1 }\npods: []', message: /world: tcp\[0\]: expected a port/ },
    { name: 'pods that are no list', text: 'world: { ipv4: a, ipv6: b }\nchange: { file: pods.yaml, from: a, to: b, port: 1 }\npods: 3', message: /pods: expected a list/ },
  ];
  it.each(cases)('names the field: $name', ({ text, message }) => {
    mkdirSync(join(folder, 'scene'));
    writeFileSync(join(folder, 'scene/pods.yaml'), text);
    expect(() => readShop(folder)).toThrow(message);
  });
});
