import type { EndpointChangeRequest } from '@cilium-ts/agent-api';
import { createDisposalStack, errorMessage } from '@cilium-ts/core';
import type { DisposalStack, IpAddress } from '@cilium-ts/core';
import { asSlot } from '@cilium-ts/datapath-programs';
import type { Namespace } from '@cilium-ts/netlink';
import { ifIndex } from '@cilium-ts/netlink';
import { AgentError } from '../error.ts';
import type { EndpointRecord } from '../state/schemas.ts';
import type { EndpointContext } from './context.ts';
import { endpointFromRecord, hostDeviceName, randomMac, withState } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { checkOptions, DEFAULT_CONTAINER_DEVICE, openEndpointNamespace, podNameOf, requestedAddress, requestedMac } from './endpoint-request.ts';
import { endpointLabels } from './labels.ts';
import type { EndpointLabels } from './labels.ts';
import { takeAddress, takeNumber } from './resources.ts';
import { configureContainer, createPair, hostPreparation, hostRequests, waitForCarrier } from './wiring.ts';

/**
 * Makes an endpoint of a network namespace. Its policy is in the kernel before its device is put in service, and it is
 * ready when this resolves. If anything fails, everything done is undone and the failure is thrown (AgentError).
 */
export const createEndpoint = async (context: EndpointContext, request: EndpointChangeRequest, id: number): Promise<Endpoint> => {
  const labels = endpointLabels(request.labels, { namespace: request['k8s-namespace'], clusterName: context.clusterName, filter: context.filter });
  checkOptions(request.options);
  using netns = openEndpointNamespace(request['container-netns-path'], context.nodeNamespaceId);
  const undo = createDisposalStack();
  try {
    const planned = plan(context, { request, id, labels, netns, undo });
    const endpoint = await wire(context, { planned, netns, undo });
    await install(context, endpoint);
    return await activate(context, endpoint.id);
  } catch (error) {
    await undo.close().catch((failure: unknown) => { context.logger.error({ error: errorMessage(failure) }, 'a failed endpoint could not be undone completely'); });
    throw error;
  }
};

interface PlanRequest {
  readonly request: EndpointChangeRequest;
  readonly id: number;
  readonly labels: EndpointLabels;
  readonly netns: Namespace;
  readonly undo: DisposalStack;
}

/** Takes numbers, addresses and the identity; nothing outside of this process is touched. */
const plan = (context: EndpointContext, { request, id: wantedId, labels, netns, undo }: PlanRequest): Endpoint => {
  const { resources, identities, logger } = context;
  checkUnique(context, request, labels.namespace, netns);
  const id = takeId(context, wantedId, undo);
  const slot = takeNumber(resources.slots, 'slots (--max-endpoints)');
  undo.defer(() => { resources.slots.release(slot); });
  const index = takeNumber(resources.devices, 'interface indexes');
  undo.defer(() => { resources.devices.release(index); });
  const owner = `endpoint ${id}`;
  const { ipv4: range4, ipv6: range6 } = resources;
  const take = (family: 4 | 6, pool: typeof range4): IpAddress | undefined => {
    const text = request.addressing?.[`ipv${family}`];
    if (!pool && text === undefined) return undefined;
    const wanted = requestedAddress(text, family, { enabled: pool !== undefined, range: pool?.range ?? range4?.range ?? range6!.range });
    const address = takeAddress(pool, wanted, owner);
    if (address) undo.defer(() => { pool?.release(address); });
    return address;
  };
  const ipv4 = take(4, range4);
  const ipv6 = take(6, range6);
  const identity = identities.allocate(labels.relevant);
  undo.defer(() => { identities.release(identity.id); });
  const containerMac = requestedMac(request.mac) ?? randomMac();
  const podName = podNameOf(request, labels.namespace);
  const record: EndpointRecord = {
    version: 1, id, slot, phase: 'creating', created: new Date().toISOString(),
    ...(request['container-name'] !== undefined && { name: request['container-name'] }),
    ...(request['container-id'] !== undefined && { containerId: request['container-id'] }),
    ...(podName !== undefined && { podName }),
    namespace: labels.namespace, labels: [...labels.user], identity: identity.id, options: request.options ?? {},
    netns: { path: netns.path, id: netns.id },
    device: {
      name: request['interface-name'] ?? hostDeviceName(id, netns.id), index, mac: randomMac().text,
      containerName: request['container-interface-name'] ?? DEFAULT_CONTAINER_DEVICE, containerMac: containerMac.text, mtu: request.mtu ?? context.mtu,
    },
    ...(ipv4 && { ipv4: ipv4.text }),
    ...(ipv6 && { ipv6: ipv6.text }),
  };
  const endpoint = withState(endpointFromRecord(record, { labels, identity, state: 'waiting-for-identity' }), 'waiting-for-identity', `identity ${identity.id}`);
  context.endpoints.put(endpoint);
  undo.defer(async () => {
    const installed = context.endpoints.get(id)?.installed;
    context.endpoints.delete(id);
    // Its slot and addresses may be given to others only when the datapath has let go of them.
    if (installed) await context.writer.commit();
  });
  logger.debug({ endpoint: id, netns: netns.path, identity: identity.id }, 'creating endpoint');
  return endpoint;
};

const takeId = ({ resources }: EndpointContext, wanted: number, undo: DisposalStack): number => {
  if (wanted !== 0 && !resources.ids.reserve(wanted)) throw new AgentError('conflict', `create endpoint: there is an endpoint ${wanted} already`);
  const id = wanted === 0 ? takeNumber(resources.ids, 'endpoint ids') : wanted;
  undo.defer(() => { resources.ids.release(id); });
  return id;
};

const checkUnique = ({ endpoints }: EndpointContext, request: EndpointChangeRequest, namespace: string, netns: Namespace): void => {
  const podName = podNameOf(request, namespace);
  const device = request['container-interface-name'] ?? DEFAULT_CONTAINER_DEVICE;
  for (const { id, record } of endpoints) {
    if (podName !== undefined && record.podName === podName) throw new AgentError('conflict', `create endpoint: endpoint ${id} has the name ${podName} already`);
    if (request['container-id'] !== undefined && record.containerId === request['container-id'] && record.device.containerName === device) throw new AgentError('conflict', `create endpoint: endpoint ${id} belongs to container ${record.containerId} already`);
    if (record.netns.id === netns.id && record.device.containerName === device) throw new AgentError('conflict', `create endpoint: the namespace ${netns.path} belongs to endpoint ${id} already`);
  }
};

/** Makes the devices; both ends stay out of service. */
const wire = async (context: EndpointContext, { planned, netns, undo }: { readonly planned: Endpoint; readonly netns: Namespace; readonly undo: DisposalStack }): Promise<Endpoint> => {
  const { endpoints, records, netlink, datapath, failpoint } = context;
  const { record, id, slot, mac, hostMac, ipv4, ipv6 } = planned;
  const { device } = record;
  undo.defer(() => records.remove(String(id)));
  await records.save(String(id), record);
  failpoint('endpoint-recorded');
  const spec = { name: device.name, index: device.index, mac: hostMac, containerName: device.containerName, containerMac: mac, mtu: device.mtu, netns, alias: deviceAlias(record) };
  const { containerIndex, netnsId } = await createPair(netlink, spec);
  undo.defer(() => netlink.deleteLink(ifIndex(device.index)).then(() => undefined));
  failpoint('endpoint-wired');
  const { router4, router6 } = context;
  await Promise.all([configureContainer(netns, { index: containerIndex, mac }, { ipv4, ipv6, router4, router6 }), netlink.batch(hostPreparation(spec))]);
  const foreign = datapath.attach(asSlot(slot), device.index);
  if (foreign.length > 0) context.logger.warn({ endpoint: id, device: device.name, filters: foreign.length }, 'the device has filters of others');
  return endpoints.update(id, (endpoint) => withState({ ...endpoint, netnsId, installed: true }, 'regenerating', 'device made, putting policy in force'))!;
};

/** Whose device it is, for people who look at `ip link`. */
export const deviceAlias = (record: EndpointRecord): string => `cilium endpoint ${record.id}${record.podName === undefined ? '' : ` ${record.podName}`}`;

/** Puts policy in the kernel. An endpoint that can not be enforced is not made. */
const install = async (context: EndpointContext, { id }: Endpoint): Promise<void> => {
  await context.writer.commit();
  const failure = context.endpoints.get(id)?.failure;
  if (failure) throw new AgentError('not-enforced', `create endpoint: its policy can not be put in force: ${failure.message}`);
  context.failpoint('endpoint-in-kernel');
};

/** Puts the device in service and remembers that it is. */
const activate = async (context: EndpointContext, id: number): Promise<Endpoint> => {
  const { endpoints, records, netlink, router4, router6 } = context;
  const { record, mac, ipv4, ipv6 } = endpoints.get(id)!;
  await netlink.batch(hostRequests(record.device.index, mac, { ipv4, ipv6, router4, router6 }));
  if (!(await waitForCarrier(netlink, record.device.index))) throw new AgentError('failed', `create endpoint: device ${record.device.name} does not come up`);
  context.failpoint('endpoint-before-ready');
  const ready: EndpointRecord = { ...record, phase: 'ready' };
  await records.save(String(id), ready);
  const message = `ready${ipv4 ? `, ${ipv4.text}` : ''}${ipv6 ? `, ${ipv6.text}` : ''}`;
  const endpoint = endpoints.update(id, (before) => withState({ ...before, record: ready }, 'ready', message))!;
  context.announce('endpoint-created', message, id);
  return endpoint;
};
