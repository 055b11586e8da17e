import { parseCidr, parseIp, parseMac, silentLogger, type IpAddress } from '@cilium-ts/core';
import { openDatapath, type Datapath, type DesiredAddress, type DesiredEndpoint, type DesiredState, type Slot } from '@cilium-ts/datapath-programs';
import type { Identity } from '@cilium-ts/identity';
import { compilePolicy, explain } from '@cilium-ts/policy-model';
import { createDatapathRig, ethernet, icmp, icmpv6, ipv4, ipv6, packet, payload, sctp, tcp, udp, type DatapathRig, type Layer } from '@cilium-ts/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVERYTHING } from '../../../../packages/policy-model/test/oracle/generators/features.ts';
import { aims, packets } from '../../../../packages/policy-model/test/oracle/generators/packets.ts';
import { INSIDE, OUTSIDE, PODS } from '../../../../packages/policy-model/test/oracle/generators/parties.ts';
import { aimed, type Target } from '../../../../packages/policy-model/test/oracle/library/aim.ts';
import { scenes } from '../../../../packages/policy-model/test/oracle/library/cases.ts';
import { compare, type Question, type Tally } from '../../../../packages/policy-model/test/oracle/library/compare.ts';
import { identityOf } from '../../../../packages/policy-model/test/oracle/library/identities.ts';
import { load, type Loaded, type Scene } from '../../../../packages/policy-model/test/oracle/library/load.ts';
import { familyOf } from '../../../../packages/policy-model/test/oracle/simulator/address.ts';
import type { Party, SimPacket } from '../../../../packages/policy-model/test/oracle/simulator/tables.ts';

/** Policy sets × packets of each must come to at least this many comparisons per family. */
const POLICY_SETS = 150;
const PACKETS_PER_SET = 120;

const DEVICE = 10_000;
const MAC = '02:00:00:00:00:01';
const SIZES = { cilium_flows: 65_536, cilium_policy: 16_384, cilium_rows: 65_536, cilium_addresses: 1024, cilium_prefixes: 1024, cilium_remotes: 2048, cilium_events: 65_536 };

/** Every kind of policy and of peer; not what a proxy would have to enforce, and not the node's own policies. */
const FEATURES = { ...EVERYTHING, layer7: false, authentication: false, hostPolicies: false };

type Family = 4 | 6;
const address = (party: Party, family: Family): string | undefined => party.addresses.find((text) => familyOf(text) === family);
/** Pods have slots, by their place in the list of parties; others send and receive by the device towards the outside. */
const slotOf = (scene: Scene, party: Party): number | undefined => {
  const place = scene.parties.indexOf(party);
  return place < PODS.length ? place : undefined;
};
const isNode = ({ labels }: Party): boolean => labels.includes('reserved:remote-node');
const elsewhere = [...INSIDE.filter(isNode), ...OUTSIDE].map(({ name }) => name);

function ip(text: string): IpAddress {
  return parseIp(text) ?? expect.fail(text);
}

/** What an agent publishes: pods, other nodes, prefixes that policies name, and addresses with names or labels of their own. */
function stateOf(scene: Scene, loaded: Loaded): DesiredState {
  const { repository, byParty } = loaded;
  const selectors = repository.fqdnSelectors().map((selector) => ({ selector, key: 'name' in selector ? selector.name : selector.pattern }));
  const source = { tables: scene.tables, options: scene.options, selectors: [] };
  const addresses = new Map<string, DesiredAddress>();
  const identities = new Map<number, Identity>(loaded.identities.map((identity) => [identity.id, identity]));
  for (const { text } of repository.prefixes()) {
    const identity = identityOf({ name: text, where: 'outside', labels: [], addresses: [text.split('/')[0]!] }, repository, source);
    identities.set(identity.id, identity);
    addresses.set(text, { identity: identity.id });
  }
  for (const party of scene.parties.filter((one) => isNode(one) || (one.where === 'outside' && selectors.length + one.labels.length > 0))) {
    for (const text of party.addresses) addresses.set(parseCidr(`${text}/${familyOf(text) === 4 ? 32 : 128}`)!.text, { identity: byParty.get(party)!.id });
  }
  const endpoints = new Map<Slot, DesiredEndpoint>();
  const mac = parseMac(MAC) ?? expect.fail('mac');
  scene.parties.slice(0, PODS.length).forEach((party, slot) => {
    const identity = byParty.get(party)!;
    const policy = compilePolicy({ repository, subject: identity, identities: identities.values(), options: scene.options });
    endpoints.set(slot as Slot, { id: slot + 1, ipv4: ip(address(party, 4)!), ipv6: ip(address(party, 6)!), mac, hostMac: mac, ifindex: DEVICE + slot, mtu: 1500, netnsId: -1, identity: identity.id, policy });
  });
  return { endpoints, addresses };
}

/** Whether it begins a flow of a protocol for which the programs have verdicts by policy. */
function sendable({ protocol, port }: SimPacket, family: Family): boolean {
  if (protocol === 6 || protocol === 17 || protocol === 132) return port > 0;
  return family === 4 ? protocol === 1 && port === 8 : protocol === 58 && port === 128;
}

let flowNumber = 0;
/** A fresh source port (or echo identifier) for every packet: each is the first of its flow. */
function transport({ protocol, port }: SimPacket): readonly Layer[] {
  const sourcePort = 1024 + (flowNumber++ % 60_000);
  if (protocol === 1) return [icmp({ type: port, id: sourcePort })];
  if (protocol === 58) return [icmpv6({ type: port, id: sourcePort })];
  const ports = { sourcePort, destinationPort: port };
  if (protocol === 6) return [tcp(ports)];
  return protocol === 17 ? [udp(ports), payload(8)] : [sctp(ports), payload(16)];
}

let rig: DatapathRig<Datapath>;

/** What the programs make of the packet. */
function kernelVerdict(scene: Scene, { from, to, packet: asked }: Question, family: Family): 'allowed' | 'denied' {
  const [sender, receiver] = [slotOf(scene, from), slotOf(scene, to)];
  const ends = { source: address(from, family)!, destination: address(to, family)! };
  const frame = packet(ethernet({ source: MAC, destination: MAC }), family === 4 ? ipv4(ends) : ipv6(ends), ...transport(asked));
  const run = sender === undefined ? rig.run('toContainer', frame, { ifindex: DEVICE + receiver!, by: DEVICE + 900 }) : rig.run('fromContainer', frame, { ifindex: DEVICE + sender });
  return run.verdict === 'drop' ? 'denied' : 'allowed';
}

beforeAll(async () => {
  rig = await createDatapathRig((bpfRoot) => openDatapath({ logger: silentLogger }, { bpfRoot, sizes: SIZES, config: { jiffiesPerSecond: 250, eventsDrop: 0, eventsVerdict: 0, eventsTrace: 0 } }));
  await rig.addUplink(DEVICE + 900);
  for (let slot = 0; slot < PODS.length; slot++) await rig.addDevice(DEVICE + slot);
});
afterAll(() => rig.close());

interface Ask {
  readonly from: number;
  readonly to: number;
  readonly packet: SimPacket;
  readonly target: Target | undefined;
}
const plain = { noNullPrototype: true } as const;
const target = fc.record<Target>({ entry: fc.nat(), subject: fc.nat(), peer: fc.nat(), aim: aims }, plain);
const ask = fc.record<Ask>({ from: fc.nat(), to: fc.nat(), packet: packets(FEATURES), target: fc.option(target, { nil: undefined, freq: 2 }) }, plain);
const asks = fc.array(ask, { minLength: PACKETS_PER_SET, maxLength: PACKETS_PER_SET });

/** A question about what the policies say, or about anything; `undefined` where the programs have no answer to it. */
function questionOf(scene: Scene, { from, to, packet: asked, target: at }: Ask, family: Family): Question | undefined {
  const present = (party: Party): boolean => address(party, family) !== undefined && (slotOf(scene, party) !== undefined || elsewhere.includes(party.name));
  const askable = (question: Question): boolean =>
    [question.from, question.to].every(present) &&
    [question.from, question.to].some((party) => slotOf(scene, party) !== undefined) &&
    question.from !== question.to &&
    sendable(question.packet, family);
  const found = at === undefined ? undefined : aimed(scene, at);
  if (found !== undefined && askable(found)) return found;
  const pick = (list: readonly Party[], number: number): Party => list[number % list.length]!;
  const pods = scene.parties.slice(0, PODS.length);
  const all = scene.parties.filter(present);
  const [first, second] = from % 2 === 0 ? [pick(pods, from), pick(all, to)] : [pick(all, from), pick(pods, to)];
  const question = { from: first, to: second, packet: asked };
  return askable(question) ? question : undefined;
}

describe.each([4, 6] as const)('IPv%i', (family) => {
  it('the kernel, the rows, the explanation and the simulator judge alike, first packet by first packet', async () => {
    let compared = 0;
    const verdicts = { allowed: 0, denied: 0 };
    const tally: Tally = new Map();
    const property = fc.asyncProperty(scenes(FEATURES), asks, async (written, asked) => {
      const scene = { ...written, options: { ...written.options, ipv4: true, ipv6: true } };
      const loaded = load(scene);
      const report = await rig.datapath.apply(stateOf(scene, loaded));
      expect(report.failures).toEqual([]);
      for (const one of asked) {
        const question = questionOf(scene, one, family);
        if (question === undefined) continue;
        const actual = kernelVerdict(scene, question, family);
        compare(scene, loaded, question, tally);
        const { protocol, port } = question.packet;
        const [from, to] = [loaded.byParty.get(question.from)!, loaded.byParty.get(question.to)!];
        const expected = explain({ repository: loaded.repository, from, to, protocol, port, icmpType: port, options: scene.options });
        if (actual !== expected.verdict) {
          throw new Error(`kernel ${actual}, model ${expected.verdict}: ${address(question.from, family)} -> ${address(question.to, family)}\n${JSON.stringify(scene.documents, undefined, 1)}\n${expected.text}`);
        }
        compared++;
        verdicts[actual]++;
      }
    });
    await fc.assert(property, { numRuns: POLICY_SETS });
    expect(compared).toBeGreaterThanOrEqual(10_000);
    expect(Math.min(verdicts.allowed, verdicts.denied)).toBeGreaterThan(compared / 20);
  }, 600_000);
});
