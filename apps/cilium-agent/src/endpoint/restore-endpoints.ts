import { errorMessage } from '@cilium-ts/core';
import { asSlot } from '@cilium-ts/datapath-programs';
import { ifIndex, NetlinkError, openNamespace } from '@cilium-ts/netlink';
import type { Link, NetlinkRequest } from '@cilium-ts/netlink';
import type { EndpointRecord } from '../state/schemas.ts';
import type { EndpointContext } from './context.ts';
import { endpointFromRecord, withState } from './endpoint.ts';
import type { DeviceState, Endpoint } from './endpoint.ts';
import { endpointLabels } from './labels.ts';
import { hostRequests } from './wiring.ts';

/** What restoring did. */
export interface RestoreReport {
  readonly restored: number;
  readonly removed: readonly string[];
}

/** Is the namespace still the one the endpoint was made of? A path may have got another one since. */
export const namespaceLives = (netns: EndpointRecord['netns']): boolean => {
  try {
    using namespace = openNamespace(netns.path);
    return namespace.id === netns.id;
  } catch {
    return false;
  }
};

/** State of a device: `up` means that packets can pass, so the far end has to be up too. */
export const deviceState = (link: Link | undefined): DeviceState => {
  if (!link) return 'gone';
  return link.flags.has('up') && link.flags.has('lower-up') ? 'up' : 'down';
};

/** Name of devices the agent makes unless told otherwise. */
const OWN_DEVICE = /^lxc[0-9a-f]{12}$/;
const OWN_ALIAS = /^cilium endpoint \d+/;

/**
 * Brings the endpoints of the records back into the tables, taking their numbers and addresses. What was only half made
 * or half deleted is removed; so is an endpoint whose namespace is gone, and a device that no record claims.
 */
export const restoreEndpoints = async (context: EndpointContext, records: ReadonlyMap<string, EndpointRecord>): Promise<RestoreReport> => {
  const links = new Map((await context.netlink.listLinks({ kind: 'veth' })).map((link) => [link.index as number, link] as const));
  const removed: string[] = [];
  const claimed = new Set<number>();
  const dropped: { readonly record: EndpointRecord; readonly why: string }[] = [];
  context.identities.batch(() => {
    for (const record of records.values()) {
      const link = ownLink(links, record);
      const why = whyNot(context, record, link);
      if (why === undefined) {
        restoreOne(context, record, link);
        claimed.add(record.device.index);
      } else {
        dropped.push({ record, why });
      }
    }
  });
  for (const { record, why } of dropped) {
    removed.push(`endpoint ${record.id}: ${why}`);
    await discard(context, record, ownLink(links, record));
  }
  for (const link of links.values()) {
    if (claimed.has(link.index) || !OWN_DEVICE.test(link.name) || !OWN_ALIAS.test(link.alias ?? '') || dropped.some(({ record }) => record.device.index === link.index)) continue;
    removed.push(`device ${link.name}: no endpoint claims it`);
    await context.netlink.deleteLink(link.index);
  }
  for (const what of removed) context.logger.warn({}, `removed ${what}`);
  return { restored: claimed.size, removed };
};

const ownLink = (links: ReadonlyMap<number, Link>, { device }: EndpointRecord): Link | undefined => {
  const link = links.get(device.index);
  return link?.name === device.name ? link : undefined;
};

const whyNot = ({ endpoints }: EndpointContext, record: EndpointRecord, link: Link | undefined): string | undefined => {
  if (record.phase === 'creating') return 'the agent was stopped while making it';
  if (record.phase === 'deleting') return 'the agent was stopped while deleting it';
  if (!link && !namespaceLives(record.netns)) return `its namespace ${record.netns.path} is gone`;
  if (endpoints.bySlot(record.slot) || endpoints.byDevice(record.device.index)) return 'its slot or device belongs to another one (damaged state)';
  return undefined;
};

const restoreOne = (context: EndpointContext, record: EndpointRecord, link: Link | undefined): void => {
  const { resources, endpoints, identities } = context;
  const labels = endpointLabels(record.labels, { namespace: record.namespace, clusterName: context.clusterName, filter: context.filter });
  const identity = identities.allocate(labels.relevant);
  const device = deviceState(link);
  const endpoint = endpointFromRecord({ ...record, identity: identity.id }, { labels, identity, state: 'restoring' });
  const owner = `endpoint ${record.id}`;
  resources.ids.reserve(record.id);
  resources.slots.reserve(record.slot);
  resources.devices.reserve(record.device.index);
  if (endpoint.ipv4) resources.ipv4?.reserve(endpoint.ipv4, owner);
  if (endpoint.ipv6) resources.ipv6?.reserve(endpoint.ipv6, owner);
  endpoints.put(withState({ ...endpoint, device, netnsId: link?.peerNamespaceId ?? -1, installed: true }, 'restoring', `restored, device ${device}`));
};

const discard = async (context: EndpointContext, record: EndpointRecord, link: Link | undefined): Promise<void> => {
  if (link) await context.netlink.deleteLink(link.index);
  await context.records.remove(String(record.id));
};

/** Once policy is in force: replaces the programs of every device by this agent's, repairs routes, and reports readiness. */
export const resumeEndpoints = async (context: EndpointContext): Promise<void> => {
  const requests: NetlinkRequest[] = [];
  for (const endpoint of context.endpoints) {
    if (endpoint.device === 'gone') continue;
    try {
      context.datapath.attach(asSlot(endpoint.slot), endpoint.record.device.index);
      if (endpoint.device === 'up') requests.push(...serviceRequests(context, endpoint));
    } catch (error) {
      context.endpoints.update(endpoint.id, (before) => withState(before, 'not-ready', `attach programs: ${errorMessage(error)}`, 'failed'));
    }
  }
  try {
    if (requests.length > 0) await context.netlink.batch(requests);
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    context.logger.warn({ error: error.message }, 'routes of restored endpoints could not be repaired completely');
  }
  for (const { id, state } of [...context.endpoints]) {
    if (state === 'restoring') context.endpoints.update(id, (before) => withState(before, stateFor(before.device), before.device === 'up' ? 'ready after restart' : `its device is ${before.device}`));
  }
};

/** Requests that keep the host end in service. */
export const serviceRequests = ({ router4, router6 }: EndpointContext, { record, mac, ipv4, ipv6 }: Endpoint): NetlinkRequest[] => hostRequests(ifIndex(record.device.index), mac, { ipv4, ipv6, router4, router6 });

/** State of an endpoint by that of its device. */
export const stateFor = (device: DeviceState): 'ready' | 'not-ready' | 'disconnected' => (device === 'up' ? 'ready' : device === 'down' ? 'not-ready' : 'disconnected');
