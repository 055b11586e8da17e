import { stringify } from 'yaml';
import type { CompiledPolicy } from '../../../src/index.ts';
import { compilePolicy, explain, lookupRow, rowForPeer } from '../../../src/index.ts';
import { simulate } from '../simulator/simulate.ts';
import type { Party, SimPacket, SimVerdict } from '../simulator/tables.ts';
import type { Loaded, Scene } from './load.ts';

/** A packet between two parties. */
export interface Question {
  readonly from: Party;
  readonly to: Party;
  readonly packet: SimPacket;
}

/** Counts of what the comparisons were about, so that a test can ask for enough of each. */
export type Tally = Map<string, number>;

/** Holds the simulator, the compiled rows and the explanation of one packet against each other. Throws where they differ. */
export function compare(scene: Scene, loaded: Loaded, question: Question, tally: Tally): void {
  const { repository, byParty } = loaded;
  const { options } = scene;
  const { from, to, packet } = question;
  const simulated = simulate(scene, from, to, packet);
  const [source, target] = [byParty.get(from)!, byParty.get(to)!];
  const explained = explain({ repository, from: source, to: target, protocol: packet.protocol, port: packet.port, icmpType: packet.port, options });
  for (const side of ['egress', 'ingress'] as const) {
    const expected = simulated[side];
    const told = explained[side];
    const [subject, peer] = side === 'egress' ? [source, target] : [target, source];
    const found: Record<string, string> = { simulator: expected.action, explain: told.reason === 'no-endpoint' ? 'none' : told.action };
    if (expected.action !== 'none') {
      const row = lookupRow(rowForPeer(compiledFor(scene, loaded, subject.id)[side], peer.id), packet.protocol, packet.port);
      found['rows'] = row.action;
    }
    count(tally, expected);
    if (new Set(Object.values(found)).size > 1) throw disagreement(scene, question, `${side}: ${JSON.stringify(found)}; the simulator: ${expected.why}`, explained.text);
  }
}

const compiled = new WeakMap<Loaded, Map<number, CompiledPolicy>>();

function compiledFor(scene: Scene, loaded: Loaded, id: number): CompiledPolicy {
  let policies = compiled.get(loaded);
  if (policies === undefined) compiled.set(loaded, (policies = new Map()));
  let policy = policies.get(id);
  if (policy === undefined) {
    const subject = loaded.identities.find((identity) => identity.id === id)!;
    policy = compilePolicy({ repository: loaded.repository, subject, identities: loaded.identities, options: scene.options });
    policies.set(id, policy);
  }
  return policy;
}

function count(tally: Tally, { action, proxy, passes }: SimVerdict): void {
  const kind = proxy === undefined ? action : `proxy ${passes === true ? 'passes' : 'blocks'}`;
  tally.set(kind, (tally.get(kind) ?? 0) + 1);
}

/** Everything one needs to see in order to decide who is right. */
function disagreement(scene: Scene, { from, to, packet }: Question, what: string, text: string): Error {
  const policies = scene.documents.map((document) => stringify(document)).join('---\n');
  const known = stringify({ options: scene.options, tables: scene.tables, from, to, packet });
  return new Error(`${what}\n\n${policies}\n# ${from.name} -> ${to.name}\n${known}\n${text}`);
}
