import { parseCidr } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import type { CompiledPolicyShape, PolicyRowShape } from '../../src/state/desired.ts';
import type { Run } from '../../src/write/run.ts';
import { misjudgedUnder, refuse } from '../../src/write/unpublished.ts';

const row = (action: 'allow' | 'deny' | 'deny-default'): PolicyRowShape => ({ key: action, boundaries: [{ start: 0, verdict: { action, match: 0 } }] });
const open = { enforced: false, any: row('allow'), byIdentity: new Map() };
const WORLD = 9;
const [WIDE, NARROW] = [300, 301];

/** A pass in which 198.18.1.0/24 found no room; what covers it did, where `covered`. */
function run(covered: boolean): Run {
  const wide = { cidr: parseCidr('198.18.0.0/15')!, identity: WIDE };
  const pass = {
    unpublished: [], failures: [], missing: new Set(),
    next: { remotes: new Map(covered ? [[wide.cidr.text, wide]] : []) },
    state: { world: { ipv4: WORLD, ipv6: 10 } },
  } as unknown as Run;
  refuse(pass, [[{ cidr: parseCidr('198.18.1.0/24')!, what: { identity: NARROW }, before: WORLD }, { failed: 'prefixes-full', message: 'no room' }]]);
  return pass;
}
const ingress = (any: PolicyRowShape, ...known: [number, PolicyRowShape][]): CompiledPolicyShape => ({ key: '', ingress: { enforced: true, any, byIdentity: new Map(known) }, egress: open });

describe('an address that found no room', () => {
  it.each([
    ['denied, the world allowed', false, ingress(row('allow'), [NARROW, row('deny')]), true],
    ['allowed, the world not', false, ingress(row('deny-default'), [NARROW, row('allow')]), true],
    ['treated as the world', false, ingress(row('allow')), false],
    ['denied as what covers it', true, ingress(row('allow'), [NARROW, row('deny')], [WIDE, row('deny')]), false],
    ['treated as the world, but taken for what covers it', true, ingress(row('deny-default'), [WIDE, row('allow')]), true],
  ])('%s', (_what, covered, policy, misjudged) => {
    expect(misjudgedUnder(run(covered), policy) !== undefined).toBe(misjudged);
  });
});
