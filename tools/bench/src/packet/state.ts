import type { CompiledDirectionShape, DesiredState, PolicyRowShape } from '@cilium-ts/datapath-programs';
import { asSlot, type DesiredAddress, type DesiredEndpoint, type Slot } from '@cilium-ts/datapath-programs';
import type { Pod } from './pods.ts';

/** How full the maps are. */
export const SIZES = { policyEntries: 10_000, addresses: 10_000, prefixes: 10_000, flows: 100_000 } as const;

/** Ports of the server: two that both policies allow, one that its own policy refuses after the client's allowed it. */
export const PORTS = { allowed: 80, alsoAllowed: 8080, fresh: 443, refused: 81 } as const;

const TCP = 6 * 65_536;
const deny = { action: 'deny-default', match: 0 } as const;
const allow = { action: 'allow', match: 1 } as const;

/** What two pods with long policies on a busy node look like to the datapath. */
export function desiredState(client: Pod, server: Pod): DesiredState {
  const perDirection = SIZES.policyEntries / 2;
  const egress = direction('egress', server.identity, perDirection, ports([PORTS.allowed, PORTS.refused, PORTS.fresh, PORTS.alsoAllowed]));
  const ingress = direction('ingress', client.identity, perDirection, ports([PORTS.allowed, PORTS.fresh, PORTS.alsoAllowed]));
  const closed = direction('closed', 0, 0, ports([]));
  return {
    endpoints: new Map<Slot, DesiredEndpoint>([
      [asSlot(client.slot), endpoint(client, { key: 'client', egress, ingress: closed })],
      [asSlot(server.slot), endpoint(server, { key: 'server', egress: closed, ingress })],
    ]),
    addresses: addresses(),
  };
}

function endpoint(pod: Pod, policy: DesiredEndpoint['policy']): DesiredEndpoint {
  const { id, identity, ifindex, ipv4, ipv6, mac, hostMac } = pod;
  return { id, identity, ifindex, ipv4, ipv6, mac, hostMac, mtu: 1500, netnsId: -1, policy };
}

/** A direction with `count` peers, each of a port list of its own, one of them the peer that traffic comes from. */
function direction(name: string, peer: number, count: number, row: PolicyRowShape): CompiledDirectionShape {
  const byIdentity = new Map<number, PolicyRowShape>();
  if (count > 0) byIdentity.set(peer, row);
  for (let i = 1; i < count; i++) byIdentity.set(20_000 + i, ports([1000 + (i % 500), 3000 + (i % 7)]));
  return { enforced: true, any: { key: `any-${name}`, boundaries: [{ start: 0, verdict: deny }] }, byIdentity };
}

/** A row that allows these TCP ports. */
function ports(allowed: readonly number[]): PolicyRowShape {
  const boundaries: { start: number; verdict: typeof allow | typeof deny }[] = [{ start: 0, verdict: deny }];
  for (const port of [...allowed].sort((a, b) => a - b)) {
    if (boundaries.at(-1)?.start === TCP + port) boundaries.pop();
    boundaries.push({ start: TCP + port, verdict: allow }, { start: TCP + port + 1, verdict: deny });
  }
  return { key: `tcp-${allowed.join('-')}`, boundaries };
}

function addresses(): Map<string, DesiredAddress> {
  const entries = new Map<string, DesiredAddress>();
  for (let i = 0; i < SIZES.addresses; i++) entries.set(`10.128.${i >> 8}.${i & 255}/32`, { identity: 30_000 + (i % 1000) });
  for (let i = 0; i < SIZES.prefixes; i++) entries.set(`172.${16 + (i >> 12)}.${(i >> 4) & 255}.${(i & 15) * 16}/28`, { identity: 16_777_217 + i });
  return entries;
}
