import fc from 'fast-check';
import type { Features } from '../generators/features.ts';
import { packets } from '../generators/packets.ts';
import { parties } from '../generators/parties.ts';
import { policySets } from '../generators/policies.ts';
import { options, tables } from '../generators/tables.ts';
import { familyOf } from '../simulator/address.ts';
import type { Party, SimPacket } from '../simulator/tables.ts';
import type { Question, Tally } from './compare.ts';
import { compare } from './compare.ts';
import type { Scene } from './load.ts';
import { load } from './load.ts';

/** Packets asked of each set of policies. */
export const PACKETS_PER_SET = 25;

/** A pair of parties by numbers, a pod on one side at least most of the time. */
interface Pair {
  readonly from: number;
  readonly to: number;
  readonly packet: SimPacket;
}

export interface Case {
  readonly scene: Scene;
  readonly pairs: readonly Pair[];
}

export function cases(features: Features): fc.Arbitrary<Case> {
  const scene = fc.record({ documents: policySets(features), parties, tables, options: options(features) }, { noNullPrototype: true });
  const pair = fc.record({ from: fc.nat(), to: fc.nat(), packet: packets(features) }, { noNullPrototype: true });
  return fc.record({ scene, pairs: fc.array(pair, { minLength: 1, maxLength: PACKETS_PER_SET, size: 'max' }) }, { noNullPrototype: true });
}

/** Those that are there: addresses of a family that is off are not. */
export function present({ parties: all, options: { ipv4, ipv6 } }: Scene): readonly Party[] {
  return all.filter(({ where, addresses }) => where === 'inside' || addresses.some((address) => (familyOf(address) === 4 ? ipv4 : ipv6)));
}

/** Asks every question of a case. Returns how many triples of policies, identities and packet there were. */
export function check({ scene: written, pairs }: Case, tally: Tally): number {
  const scene = { ...written, parties: present(written) };
  const loaded = load(scene);
  const pods = scene.parties.filter(({ labels }) => labels.some((label) => label.startsWith('k8s:io.kubernetes.pod.namespace')));
  const pick = (list: readonly Party[], number: number): Party => list[number % list.length]!;
  pairs.forEach(({ from, to, packet }, index) => {
    const question: Question = {
      from: pick(index % 3 === 0 ? scene.parties : pods, from),
      to: pick(index % 3 === 1 ? scene.parties : pods, to),
      packet,
    };
    compare(scene, loaded, question, tally);
  });
  return pairs.length;
}
