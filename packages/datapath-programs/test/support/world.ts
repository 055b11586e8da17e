import { hostCidr, parseCidr, parseIp, parseMac, cidrContains, type Cidr, type IpAddress } from '@cilium-ts/core';
import type { CompiledPolicyShape, DesiredAddress, DesiredEndpoint, DesiredState, PolicyRowShape, Slot } from '../../src/state/desired.ts';
import { WORLD, type Probe } from './reader.ts';

/** An address that must parse. */
export function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new TypeError(text);
  return parsed;
}

/** A row that allows exactly some TCP ports, or everything. */
export function row(...ports: readonly (number | 'all')[]): PolicyRowShape {
  const verdict = (action: 'allow' | 'deny-default') => ({ action, match: 0 });
  if (ports.includes('all')) return { key: 'all', boundaries: [{ start: 0, verdict: verdict('allow') }] };
  const sorted = [...new Set(ports as number[])].sort((a, b) => a - b);
  const boundaries = [{ start: 0, verdict: verdict('deny-default') }];
  for (const port of sorted) {
    const start = 6 * 65_536 + port;
    if (boundaries.at(-1)?.start === start) boundaries.pop();
    boundaries.push({ start, verdict: verdict('allow') }, { start: start + 1, verdict: verdict('deny-default') });
  }
  return { key: sorted.join(), boundaries };
}

/** A policy of two rows for any identity and rows of single identities; unenforced where nothing is said. */
export interface PolicyText {
  readonly ingressAny?: PolicyRowShape;
  readonly egressAny?: PolicyRowShape;
  readonly ingress?: Readonly<Record<number, PolicyRowShape>>;
  readonly egress?: Readonly<Record<number, PolicyRowShape>>;
}

/** A compiled policy; rows equal to that for any identity are left out, as the compiler does. */
export function policy(text: PolicyText): CompiledPolicyShape {
  const side = (any: PolicyRowShape | undefined, rows: Readonly<Record<number, PolicyRowShape>> = {}) => {
    const base = any ?? row('all');
    const byIdentity = new Map(Object.entries(rows).filter(([, each]) => each.key !== base.key).map(([identity, each]) => [Number(identity), each]));
    return { enforced: any !== undefined || byIdentity.size > 0, any: base, byIdentity };
  };
  const [ingress, egress] = [side(text.ingressAny, text.ingress), side(text.egressAny, text.egress)];
  const describe = (each: typeof ingress): string => `${each.enforced} ${each.any.key} ${[...each.byIdentity].sort(([a], [b]) => a - b).map(([identity, { key }]) => `${identity}=${key}`).join(' ')}`;
  return { key: `${describe(ingress)} | ${describe(egress)}`, ingress, egress };
}

/** An endpoint on slot n: 10.0.0.n, device 10 + n unless said otherwise. */
export function endpoint(slot: number, identity: number, what: CompiledPolicyShape | 'locked-down', overrides: Partial<DesiredEndpoint> = {}): [Slot, DesiredEndpoint] {
  const mac = parseMac(`02:00:00:00:00:0${slot}`);
  if (mac === undefined) throw new TypeError('mac');
  return [slot as Slot, { id: 100 + slot, ipv4: ip(`10.0.0.${slot}`), mac, hostMac: mac, ifindex: 10 + slot, mtu: 1500, netnsId: slot, identity, policy: what, ...overrides }];
}

/** A state of endpoints and addresses. */
export function world(endpoints: readonly [Slot, DesiredEndpoint][], addresses: Readonly<Record<string, number | DesiredAddress>> = {}): DesiredState {
  return {
    endpoints: new Map(endpoints),
    addresses: new Map(Object.entries(addresses).map(([text, what]) => [text, typeof what === 'number' ? { identity: what } : what])),
  };
}

function judge(rows: PolicyRowShape, start: number): boolean {
  let allowed = false;
  for (const boundary of rows.boundaries) {
    if (boundary.start > start) break;
    allowed = boundary.verdict.action === 'allow';
  }
  return allowed;
}

function resolve(state: DesiredState, destination: IpAddress): { slot?: Slot; identity: number } {
  for (const [slot, each] of state.endpoints) if (each.ipv4?.text === destination.text) return { slot, identity: each.identity };
  let best: { cidr: Cidr; identity: number } | undefined;
  for (const [text, { identity }] of state.addresses) {
    const cidr = parseCidr(text);
    if (cidr !== undefined && cidrContains(cidr, hostCidr(destination)) && (best === undefined || cidr.prefixLength > best.cidr.prefixLength)) best = { cidr, identity };
  }
  return { identity: best?.identity ?? WORLD.ipv4 };
}

/** What a packet must be told when policies are those of one state and addresses those of another (mostly the same). */
export function oracle(policies: DesiredState, probe: Probe, addresses: DesiredState = policies): boolean {
  const source = [...policies.endpoints.values()].find((each) => each.ifindex === probe.ifindex);
  if (source === undefined || source.policy === 'locked-down') return false;
  const target = resolve(addresses, probe.destination);
  const egress = judge(source.policy.egress.byIdentity.get(target.identity) ?? source.policy.egress.any, probe.start);
  if (target.slot === undefined) return egress;
  const peer = policies.endpoints.get(target.slot);
  if (peer === undefined || peer.policy === 'locked-down') return false;
  return egress && judge(peer.policy.ingress.byIdentity.get(source.identity) ?? peer.policy.ingress.any, probe.start);
}

/** Every packet worth trying: from each device to each address, at each port of interest. */
export function probes(states: readonly DesiredState[], extra: readonly string[] = [], ports: readonly number[] = [80, 443]): Probe[] {
  const devices = new Set(states.flatMap((state) => [...state.endpoints.values()].map((each) => each.ifindex)));
  const addresses = new Set([...extra, ...states.flatMap((state) => [...state.endpoints.values()].flatMap((each) => each.ipv4?.text ?? []))]);
  return [...devices].flatMap((ifindex) => [...addresses].flatMap((text) => ports.map((port) => ({ ifindex, destination: ip(text), start: 6 * 65_536 + port }))));
}
