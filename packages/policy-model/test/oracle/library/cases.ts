import fc from 'fast-check';
import type { Features } from '../generators/features.ts';
import { aims, packets } from '../generators/packets.ts';
import { parties } from '../generators/parties.ts';
import { policySets } from '../generators/policies.ts';
import { options, tables } from '../generators/tables.ts';
import { familyOf } from '../simulator/address.ts';
import type { Party, SimPacket } from '../simulator/tables.ts';
import type { Target } from './aim.ts';
import { aimed } from './aim.ts';
import type { Question, Tally } from './compare.ts';
import { compare } from './compare.ts';
import type { Scene } from './load.ts';
import { load } from './load.ts';


/** How a question is found: by numbers, so that it survives when the policies shrink. */
interface Ask {
  readonly from: number;
  readonly to: number;
  readonly packet: SimPacket;
  readonly target: Target | undefined;
}

export interface Case {
  readonly scene: Scene;
  readonly asked: readonly Ask[];
}

const plain = { noNullPrototype: true } as const;

export function scenes(features: Features): fc.Arbitrary<Scene> {
  return fc.record({ documents: policySets(features), parties, tables, options: options(features) }, plain);
}

/** Policies, everything that they refer to, and up to so many packets: half of them aimed at what the policies are about. */
export function cases(features: Features, packetsPerSet = 25): fc.Arbitrary<Case> {
  const target = fc.record({ entry: fc.nat(), subject: fc.nat(), peer: fc.nat(), aim: aims }, plain);
  const ask = fc.record({ from: fc.nat(), to: fc.nat(), packet: packets(features), target: fc.option(target, { nil: undefined, freq: 2 }) }, plain);
  return fc.record({ scene: scenes(features), asked: fc.array(ask, { minLength: 1, maxLength: packetsPerSet, size: 'max' }) }, plain);
}

/** Those that are there: addresses of a family that is off are not. */
export function present({ parties: all, options: { ipv4, ipv6 } }: Scene): readonly Party[] {
  return all.filter(({ where, addresses }) => where === 'inside' || addresses.some((address) => (familyOf(address) === 4 ? ipv4 : ipv6)));
}

/** Asks every question of a case. Returns how many triples of policies, identities and packet there were. */
export function check({ scene: written, asked }: Case, tally: Tally): number {
  const scene = { ...written, parties: present(written) };
  const loaded = load(scene);
  asked.forEach((ask, index) => compare(scene, loaded, questionOf(scene, ask, index), tally));
  return asked.length;
}

function questionOf(scene: Scene, { from, to, packet, target }: Ask, index: number): Question {
  const found = target === undefined ? undefined : aimed(scene, target);
  if (found !== undefined) return found;
  const pods = scene.parties.filter(({ labels }) => labels.some((label) => label.startsWith('k8s:io.kubernetes.pod.namespace')));
  const pick = (list: readonly Party[], number: number): Party => list[number % list.length]!;
  return { from: pick(index % 3 === 0 ? scene.parties : pods, from), to: pick(index % 3 === 1 ? scene.parties : pods, to), packet };
}
