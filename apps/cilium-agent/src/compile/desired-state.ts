import type { Identity, IdentityAllocator, IpCache } from '@cilium-ts/identity';
import { RESERVED } from '@cilium-ts/identity';
import { asSlot } from '@cilium-ts/datapath-programs';
import type { DesiredAddress, DesiredEndpoint, DesiredState, Slot } from '@cilium-ts/datapath-programs';
import { PolicyModelError } from '@cilium-ts/policy-model';
import type { CompiledPolicy, PolicyOptions } from '@cilium-ts/policy-model';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { auditOption } from '../endpoint/endpoint.ts';
import type { PolicyFollower } from './policy-follower.ts';

/** What the desired state is made from. */
export interface DesiredSources {
  readonly endpoints: Iterable<Endpoint>;
  readonly reserved: readonly Identity[];
  readonly identities: IdentityAllocator;
  readonly ipcache: IpCache;
  readonly follower: PolicyFollower;
  readonly options: PolicyOptions;
  /** Why an identity has to be locked down, if it has to. */
  readonly lockdown: (identity: Identity) => string | undefined;
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

/** Compiles policies once per identity and change, and keeps the last desired addresses while nothing in the ipcache changes. */
export const createDesiredStateBuilder = (): ((sources: DesiredSources) => Compiled) => {
  let addresses: { readonly revision: number; readonly ipcache: IpCache; readonly value: ReadonlyMap<string, DesiredAddress> } | undefined;
  return (sources) => {
    // Reading entries works out what changed, so the revision is taken after it.
    const peers = peersOf(sources);
    if (addresses?.ipcache !== sources.ipcache || addresses.revision !== sources.ipcache.revision) {
      addresses = { ipcache: sources.ipcache, value: addressesOf(sources.ipcache), revision: sources.ipcache.revision };
    }
    const installed = [...sources.endpoints].filter((endpoint) => endpoint.installed);
    const compiled = policiesOf(installed, peers, sources);
    const endpoints = new Map<Slot, DesiredEndpoint>();
    const outcomes = new Map<number, EndpointOutcome>();
    for (const endpoint of installed) {
      const outcome = endpoint.device === 'up' ? compiled.get(endpoint.identity.id)! : CLOSED[endpoint.device];
      outcomes.set(endpoint.id, outcome);
      endpoints.set(asSlot(endpoint.slot), desiredEndpoint(endpoint, outcome.policy, sources.options.auditMode === true));
    }
    return { desired: { endpoints, addresses: addresses.value }, outcomes };
  };
};

const CLOSED = {
  down: { policy: 'locked-down', lockdown: 'its device is down' },
  gone: { policy: 'locked-down', lockdown: 'its device is gone' },
} as const satisfies Record<string, EndpointOutcome>;

/** What the endpoints of each identity get. */
const policiesOf = (endpoints: readonly Endpoint[], peers: readonly Identity[], { follower, options, lockdown }: DesiredSources): ReadonlyMap<number, EndpointOutcome> => {
  const outcomes = new Map<number, EndpointOutcome>();
  const subjects = new Map<number, Identity>();
  for (const { identity, device } of endpoints) {
    if (device !== 'up' || subjects.has(identity.id) || outcomes.has(identity.id)) continue;
    const why = lockdown(identity);
    if (why === undefined) subjects.set(identity.id, identity);
    else outcomes.set(identity.id, { policy: 'locked-down', lockdown: why });
  }
  const policyOf = follower.follow({ options, peers, subjects: subjects.values() });
  for (const subject of subjects.values()) outcomes.set(subject.id, compiledOutcome(() => policyOf(subject.id)));
  return outcomes;
};

const compiledOutcome = (compile: () => CompiledPolicy): EndpointOutcome => {
  try {
    return { policy: compile(), lockdown: undefined };
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
