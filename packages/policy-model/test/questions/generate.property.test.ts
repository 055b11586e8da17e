import { hostCidr, parseIp } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { cidrLabels, numericIdentity } from '@cilium-ts/identity';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlowEnd, FlowRecord, GeneratedKind } from '../../src/index.ts';
import { DEFAULT_POLICY_OPTIONS, createPolicyRepository, explain, formatIssue, generate } from '../../src/index.ts';
import { podLabels, reserved } from '../helpers/identities.ts';

const labels = fc.record({ app: fc.constantFrom('web', 'db'), version: fc.constantFrom('1', '2'), tier: fc.constantFrom('x', 'y'), 'pod-template-hash': fc.constantFrom('p', 'q') }, { requiredKeys: [] });
const pods = fc
  .uniqueArray(fc.record({ namespace: fc.constantFrom('shop', 'bank'), own: labels }), { minLength: 2, maxLength: 7, size: 'max', selector: ({ namespace, own }) => podLabels(namespace, own as Record<string, string>).text })
  .map((list) => list.map(({ namespace, own }, index): Identity => ({ id: numericIdentity(300 + index), labels: podLabels(namespace, own as Record<string, string>) })));
const PORTS = [80, 81, 82, 443];
const ADDRESSES = ['192.0.2.1', '198.51.100.9', '2001:db8::1'].map((text) => parseIp(text)!);
const OUTSIDE = ADDRESSES.map((address, index): Identity => ({ id: numericIdentity(16_777_300 + index), labels: cidrLabels(hostCidr(address), DEFAULT_POLICY_OPTIONS) }));

/** Labels without what replicas differ in: what policies can tell apart. */
const told = ({ labels: set }: Identity): string => set.toStrings().filter((label) => !label.includes('pod-template-hash')).join();

interface World {
  readonly identities: Identity[];
  readonly flows: { readonly from: Identity; readonly to: Identity; readonly port: number }[];
}

const world = (kind: GeneratedKind): fc.Arbitrary<World> =>
  pods.chain((identities) => {
    const others = kind === 'cnp' ? [reserved('host'), reserved('health'), ...OUTSIDE] : OUTSIDE;
    const end = fc.constantFrom(...identities, ...identities, ...others);
    const flow = fc.record({ from: end, to: end, port: fc.constantFrom(...PORTS) }).filter(({ from, to }) => identities.includes(from) || identities.includes(to));
    return fc.record({ identities: fc.constant([...identities, ...others]), flows: fc.array(flow, { maxLength: 14, size: 'max' }) });
  });

function endOf(identity: Identity): FlowEnd {
  const outside = OUTSIDE.indexOf(identity);
  return outside < 0 ? { labels: identity.labels } : { address: ADDRESSES[outside]! };
}

function check(kind: GeneratedKind, { identities, flows }: World): void {
  const records = flows.map(({ from, to, port }): FlowRecord => ({ from: endOf(from), to: endOf(to), protocol: 6, port, at: { line: 1 } }));
  const { resources, issues, notes, denied, yaml } = generate({ flows: records, identities, kind });
  expect(issues.map(formatIssue)).toEqual([]);
  expect([notes, denied]).toEqual([[], []]);
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  const allowed = new Set(flows.map(({ from, to, port }) => `${told(from)} > ${told(to)} ${port}`));
  const wrong: string[] = [];
  const workload = ({ id }: Identity): boolean => id >= 300 && id < 1000;
  for (const from of identities) {
    for (const to of identities) {
      if (!workload(from) && !workload(to)) continue;
      for (const port of [...PORTS, 79, 83]) {
        const { verdict } = explain({ repository, from, to, protocol: 6, port, options: DEFAULT_POLICY_OPTIONS });
        const expected = allowed.has(`${told(from)} > ${told(to)} ${port}`) ? 'allowed' : 'denied';
        if (verdict !== expected) wrong.push(`${told(from)} > ${told(to)} ${port}: ${verdict}`);
      }
    }
  }
  if (wrong.length > 0) throw new Error(`${wrong.join('\n')}\n${yaml}`);
}

describe.each(['cnp', 'netpol'] as const)('generate %s', (kind) => {
  it('allows each flow, and nothing else among the known identities', () => {
    fc.assert(fc.property(world(kind), (chosen) => check(kind, chosen)), { numRuns: 25 });
  });
});
