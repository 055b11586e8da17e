import type { Identity, IdentityAllocator, IpCache } from '@cilium-ts/identity';
import { RESERVED } from '@cilium-ts/identity';
import { asSlot } from '@cilium-ts/datapath-programs';
import type { DesiredAddress, DesiredEndpoint, DesiredState, Slot } from '@cilium-ts/datapath-programs';
import { PolicyModelError } from '@cilium-ts/policy-model';
import type { CompiledPolicy, PolicyCompiler } from '@cilium-ts/policy-model';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { auditOption } from '../endpoint/endpoint.ts';

/** What the desired state is made from. */
export interface DesiredSources {
  readonly endpoints: Iterable<Endpoint>;
  readonly reserved: readonly Identity[];
  readonly identities: IdentityAllocator;
  readonly ipcache: IpCache;
  readonly compiler: PolicyCompiler;
  /** Why an identity has to be locked down, if it has to. */
  readonly lockdown: (identity: Identity) => string | undefined;
  readonly audit: boolean;
}

/** What one endpoint gets, for its status. */
export interface EndpointOutcome {
  readonly policy: CompiledPolicy | 'locked-down';
  /** Why it is locked down. */
  readonly lockdown: string | undefined;
}

/** The desired state, and what each endpoint gets. */
export interface Compiled {
  readonly desired: DesiredState;
  readonly outcomes: ReadonlyMap<number, EndpointOutcome>;
}

/** Every identity that a peer may have. The host's has labels of its own. */
const peersOf = ({ reserved, identities, ipcache }: DesiredSources): Identity[] => [
  ...reserved.filter(({ id }) => id !== RESERVED.host),
  ipcache.host(),
  ...identities.all(),
  ...ipcache.identities(),
];

const addressesOf = (ipcache: IpCache): ReadonlyMap<string, DesiredAddress> => {
  const addresses = new Map<string, DesiredAddress>();
  for (const { prefix, identity } of ipcache.entries()) addresses.set(prefix.text, identity.id === RESERVED.host ? { identity: identity.id, host: true } : { identity: identity.id });
  return addresses;
};

/** Compiles policies once per identity, and keeps the last desired addresses while nothing in the ipcache changes. */
export const createDesiredStateBuilder = (): ((sources: DesiredSources) => Compiled) => {
  let addresses: { readonly revision: number; readonly ipcache: IpCache; readonly value: ReadonlyMap<string, DesiredAddress> } | undefined;
  return (sources) => {
    // Reading entries works out what changed, so the revision is taken after it.
    const peers = peersOf(sources);
    if (addresses?.ipcache !== sources.ipcache || addresses.revision !== sources.ipcache.revision) {
      addresses = { ipcache: sources.ipcache, value: addressesOf(sources.ipcache), revision: sources.ipcache.revision };
    }
    const compiled = new Map<number, EndpointOutcome>();
    const endpoints = new Map<Slot, DesiredEndpoint>();
    const outcomes = new Map<number, EndpointOutcome>();
    for (const endpoint of sources.endpoints) {
      if (!endpoint.installed) continue;
      const outcome = endpoint.device === 'up' ? policyOf(endpoint.identity, peers, sources, compiled) : CLOSED[endpoint.device];
      outcomes.set(endpoint.id, outcome);
      endpoints.set(asSlot(endpoint.slot), desiredEndpoint(endpoint, outcome.policy, sources.audit));
    }
    return { desired: { endpoints, addresses: addresses.value }, outcomes };
  };
};

const CLOSED = {
  down: { policy: 'locked-down', lockdown: 'its device is down' },
  gone: { policy: 'locked-down', lockdown: 'its device is gone' },
} as const satisfies Record<string, EndpointOutcome>;

const policyOf = (subject: Identity, peers: readonly Identity[], sources: DesiredSources, compiled: Map<number, EndpointOutcome>): EndpointOutcome => {
  const known = compiled.get(subject.id);
  if (known) return known;
  const outcome = compileOne(subject, peers, sources);
  compiled.set(subject.id, outcome);
  return outcome;
};

const compileOne = (subject: Identity, peers: readonly Identity[], { lockdown, compiler }: DesiredSources): EndpointOutcome => {
  const why = lockdown(subject);
  if (why !== undefined) return { policy: 'locked-down', lockdown: why };
  try {
    return { policy: compiler.compile(subject, peers), lockdown: undefined };
  } catch (error) {
    if (error instanceof PolicyModelError) return { policy: 'locked-down', lockdown: error.message };
    throw error;
  }
};

const desiredEndpoint = (endpoint: Endpoint, policy: CompiledPolicy | 'locked-down', audit: boolean): DesiredEndpoint => ({
  id: endpoint.id,
  ...(endpoint.ipv4 && { ipv4: endpoint.ipv4 }),
  ...(endpoint.ipv6 && { ipv6: endpoint.ipv6 }),
  mac: endpoint.mac,
  hostMac: endpoint.hostMac,
  ifindex: endpoint.record.device.index,
  mtu: endpoint.record.device.mtu,
  netnsId: endpoint.netnsId,
  identity: endpoint.identity.id,
  policy,
  ...((audit || auditOption(endpoint.record.options)) && { audit: true }),
});
