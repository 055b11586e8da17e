import { parseCidr, parseIp, parseMac, silentLogger, type IpAddress } from '@cilium-ts/core';
import { openDatapath, type Datapath, type DesiredAddress, type DesiredEndpoint, type DesiredState, type Slot } from '@cilium-ts/datapath-programs';
import type { Identity } from '@cilium-ts/identity';
import { compilePolicy, createPolicyRepository, explain, parsePolicies, type PolicyOptions, type PolicyRepository } from '@cilium-ts/policy-model';
import { createDatapathRig, ethernet, icmp, icmpv6, ipv4, ipv6, packet, payload, sctp, tcp, udp, type DatapathRig, type Layer } from '@cilium-ts/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IDENTITIES, PODS, documents, options as policyOptions } from '../../../../packages/policy-model/test/helpers/random-policies.ts';

/** Policy sets × packets of each must come to at least this many comparisons per family. */
const POLICY_SETS = 125;
const PACKETS_PER_SET = 120;

const DEVICE = 10_000;
const MAC = '02:00:00:00:00:01';
const SIZES = { cilium_flows: 65_536, cilium_policy: 16_384, cilium_rows: 65_536, cilium_addresses: 1024, cilium_prefixes: 1024, cilium_remotes: 2048, cilium_events: 65_536 };

/** Where the identities that are no pods live: addresses and prefixes whose packets carry them. */
const PLACES: readonly { readonly label: RegExp; readonly cidr: string; readonly ip: string; readonly host?: boolean }[] = [
  { label: /cidr:198\.51\.100\.128\/25/, cidr: '198.51.100.128/25', ip: '198.51.100.200' },
  { label: /cidr:198\.51\.100\.0\/24/, cidr: '198.51.100.0/24', ip: '198.51.100.7' },
  { label: /cidr:203\.0\.113\.7\/32/, cidr: '203.0.113.7/32', ip: '203.0.113.7' },
  { label: /cidr:2001-db8-c--1\/128/, cidr: '2001:db8:c::1/128', ip: '2001:db8:c::1' },
  { label: /cidr:2001-db8-c--0?\/64/, cidr: '2001:db8:c::/64', ip: '2001:db8:c::9' },
  { label: /reserved:remote-node/, cidr: '172.30.0.2/32', ip: '172.30.0.2' },
];
/** What nothing names. */
const WORLD = { 4: '192.0.2.1', 6: '2001:db8:ffff::1' } as const;

interface Peer {
  readonly identity: Identity;
  readonly slot: number | undefined;
  readonly 4?: string;
  readonly 6?: string;
}

const pods: readonly Peer[] = PODS.map((identity, slot) => ({ identity, slot, 4: `10.7.0.${slot + 1}`, 6: `fd07::${slot + 1}` }));
const byName = (name: string): Identity => IDENTITIES.find(({ labels }) => labels.text === `${name}=;` || labels.text.startsWith(`${name}=`)) ?? expect.fail(name);
const outside: readonly Peer[] = [
  ...PLACES.flatMap(({ label, ip }) => {
    const identity = IDENTITIES.find(({ labels }) => label.test(labels.text));
    return identity === undefined ? [] : [{ identity, slot: undefined, [ip.includes(':') ? 6 : 4]: ip }];
  }),
  { identity: byName('reserved:world-ipv4'), slot: undefined, 4: WORLD[4] },
  { identity: byName('reserved:world-ipv6'), slot: undefined, 6: WORLD[6] },
];

function ip(text: string): IpAddress {
  return parseIp(text) ?? expect.fail(text);
}

function stateOf(repository: PolicyRepository, options: PolicyOptions): DesiredState {
  const endpoints = new Map<Slot, DesiredEndpoint>();
  const mac = parseMac(MAC) ?? expect.fail('mac');
  for (const { identity, slot = 0, 4: v4 = '', 6: v6 = '' } of pods) {
    const policy = compilePolicy({ repository, subject: identity, identities: IDENTITIES, options });
    endpoints.set(slot as Slot, { id: slot + 1, ipv4: ip(v4), ipv6: ip(v6), mac, hostMac: mac, ifindex: DEVICE + slot, mtu: 1500, netnsId: -1, identity: identity.id, policy });
  }
  const addresses = new Map<string, DesiredAddress>();
  for (const { label, cidr } of PLACES) {
    const identity = IDENTITIES.find(({ labels }) => label.test(labels.text));
    if (identity !== undefined) addresses.set(parseCidr(cidr)?.text ?? cidr, { identity: identity.id });
  }
  return { endpoints, addresses };
}

/** A packet that begins a flow, of protocols for which the datapath has verdicts by policy. */
type Question = { readonly kind: 'tcp' | 'udp' | 'sctp'; readonly port: number } | { readonly kind: 'echo' };
const question: fc.Arbitrary<Question> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ kind: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const), port: fc.constantFrom(1, 53, 79, 80, 81, 100, 443, 8080, 65_534, 65_535) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'echo' as const }) },
);

let flowNumber = 0;
/** A fresh source port (or echo identifier) for every packet: each is the first of its flow. */
function transport(asked: Question, family: 4 | 6): readonly Layer[] {
  const sourcePort = 1024 + (flowNumber++ % 60_000);
  if (asked.kind === 'echo') return family === 4 ? [icmp({ type: 8, id: sourcePort })] : [icmpv6({ type: 128, id: sourcePort })];
  const ports = { sourcePort, destinationPort: asked.port };
  if (asked.kind === 'tcp') return [tcp(ports)];
  return asked.kind === 'udp' ? [udp(ports), payload(8)] : [sctp(ports), payload(16)];
}

function modelQuestion(asked: Question, family: 4 | 6): { protocol: number; port?: number; icmpType?: number } {
  if (asked.kind === 'echo') return family === 4 ? { protocol: 1, icmpType: 8 } : { protocol: 58, icmpType: 128 };
  return { protocol: { tcp: 6, udp: 17, sctp: 132 }[asked.kind], port: asked.port };
}

let rig: DatapathRig<Datapath>;

function kernelVerdict(from: Peer, to: Peer, asked: Question, family: 4 | 6): 'allowed' | 'denied' {
  const addresses = { source: from[family] ?? expect.fail('no address'), destination: to[family] ?? expect.fail('no address') };
  const frame = packet(ethernet({ source: MAC, destination: MAC }), family === 4 ? ipv4(addresses) : ipv6(addresses), ...transport(asked, family));
  const run = from.slot === undefined ? rig.run('toContainer', frame, { ifindex: DEVICE + (to.slot ?? 0), by: DEVICE + 900 }) : rig.run('fromContainer', frame, { ifindex: DEVICE + from.slot });
  return run.verdict === 'drop' ? 'denied' : 'allowed';
}

beforeAll(async () => {
  rig = await createDatapathRig((bpfRoot) => openDatapath({ logger: silentLogger }, { bpfRoot, sizes: SIZES, config: { jiffiesPerSecond: 250, eventsDrop: 0, eventsVerdict: 0, eventsTrace: 0 } }));
  await rig.addUplink(DEVICE + 900);
  for (const { slot = 0 } of pods) await rig.addDevice(DEVICE + slot);
});
afterAll(() => rig.close());

describe.each([4, 6] as const)('IPv%i', (family) => {
  const peers = [...pods, ...outside].filter((peer) => peer[family] !== undefined);
  const pair = fc.tuple(fc.constantFrom(...peers), fc.constantFrom(...pods), fc.boolean()).map(([a, b, turned]) => (turned ? ([b, a] as const) : ([a, b] as const)));

  it('the kernel and the model judge alike, first packet by first packet', async () => {
    let compared = 0;
    const verdicts = { allowed: 0, denied: 0 };
    const property = fc.asyncProperty(documents, policyOptions, fc.array(fc.tuple(pair, question), { minLength: PACKETS_PER_SET, maxLength: PACKETS_PER_SET }), async (texts, options, packets) => {
      const repository = createPolicyRepository();
      repository.replaceAll(texts.flatMap((text) => parsePolicies(text).resources));
      const report = await rig.datapath.apply(stateOf(repository, options));
      expect(report.failures).toEqual([]);
      for (const [[from, to], asked] of packets) {
        if (from === to) continue;
        const expected = explain({ repository, from: from.identity, to: to.identity, ...modelQuestion(asked, family), options });
        const actual = kernelVerdict(from, to, asked, family);
        if (actual !== expected.verdict) throw new Error(`kernel ${actual}, model ${expected.verdict}: ${from[family]} -> ${to[family]} ${JSON.stringify(asked)}\n${expected.text}`);
        compared++;
        verdicts[actual]++;
      }
    });
    await fc.assert(property, { numRuns: POLICY_SETS });
    expect(compared).toBeGreaterThanOrEqual(10_000);
    expect(Math.min(verdicts.allowed, verdicts.denied)).toBeGreaterThan(compared / 20);
  }, 300_000);
});
