import type { EndpointChangeRequest, EndpointPatchRequest } from '@cilium-ts/agent-api';
import { errorMessage } from '@cilium-ts/core';
import { ifIndex } from '@cilium-ts/netlink';
import { AgentError } from '../error.ts';
import type { EndpointContext } from './context.ts';
import { createEndpoint } from './create-endpoint.ts';
import { withState } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { checkOptions } from './endpoint-request.ts';
import { endpointLabels } from './labels.ts';
import { createKeyedMutex } from './mutex.ts';

/** What can be done with endpoints. What concerns one endpoint is done one after the other. */
export interface EndpointManager {
  /** Attaches a namespace; `id` 0 lets the agent choose. Throws AgentError; then nothing is left behind. */
  create(request: EndpointChangeRequest, id: number): Promise<Endpoint>;
  /** Replaces labels or options; resolves when the new identity is in force. Throws AgentError. */
  change(id: number, request: EndpointPatchRequest): Promise<Endpoint>;
  /** Takes an endpoint away. Resolves to what could not be undone. */
  remove(id: number, why: string): Promise<string[]>;
}

/** A manager of the endpoints in `context`. */
export const createEndpointManager = (context: EndpointContext): EndpointManager => {
  const exclusively = createKeyedMutex();
  return {
    create: (request, id) => createEndpoint(context, request, id),
    change: (id, request) => exclusively(id, () => changeEndpoint(context, id, request)),
    remove: (id, why) => exclusively(id, () => removeEndpoint(context, id, why)),
  };
};

const existing = ({ endpoints }: EndpointContext, id: number): Endpoint => {
  const endpoint = endpoints.get(id);
  if (!endpoint) throw new AgentError('not-found', `find endpoint: there is no endpoint ${id}`);
  if (endpoint.record.phase !== 'ready') throw new AgentError('conflict', `change endpoint ${id}: it is being ${endpoint.record.phase === 'creating' ? 'made' : 'deleted'}`);
  return endpoint;
};

const changeEndpoint = async (context: EndpointContext, id: number, request: EndpointPatchRequest): Promise<Endpoint> => {
  const { endpoints, identities, records, writer, failpoint } = context;
  const before = existing(context, id);
  checkOptions(request.options);
  const labels = request.labels === undefined ? before.labels : endpointLabels(request.labels, { namespace: before.record.namespace, clusterName: context.clusterName, filter: context.filter });
  const identity = identities.allocate(labels.relevant);
  const record = { ...before.record, labels: [...labels.user], identity: identity.id, options: { ...before.record.options, ...request.options } };
  try {
    await records.save(String(id), record);
  } catch (cause) {
    identities.release(identity.id);
    throw new AgentError('state', `change endpoint ${id}: ${errorMessage(cause)}`, { cause });
  }
  failpoint('labels-recorded');
  endpoints.update(id, (endpoint) => withState({ ...endpoint, record, labels, identity }, 'regenerating', identity.id === before.identity.id ? 'options changed' : `identity ${before.identity.id} becomes ${identity.id}`));
  try {
    await writer.commit();
  } finally {
    // The number rests before it is given to others, so that the old identity is gone from the kernel by then.
    identities.release(before.identity.id);
  }
  failpoint('labels-in-kernel');
  const after = endpoints.update(id, (endpoint) => withState(endpoint, endpoint.device === 'up' ? 'ready' : 'not-ready', `identity ${identity.id} is in force`))!;
  if (after.failure) throw new AgentError('not-enforced', `change endpoint ${id}: ${after.failure.message} (${after.failure.effect})`);
  context.announce('endpoint-changed', `identity ${before.identity.id} became ${identity.id}`, id);
  return after;
};

const removeEndpoint = async (context: EndpointContext, id: number, why: string): Promise<string[]> => {
  const { endpoints, resources, identities, records, netlink, writer, failpoint, logger } = context;
  const endpoint = existing(context, id);
  const record = { ...endpoint.record, phase: 'deleting' as const };
  const errors: string[] = [];
  const attempt = async (what: string, run: () => Promise<unknown>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      errors.push(`${what}: ${errorMessage(error)}`);
    }
  };
  endpoints.update(id, (before) => withState({ ...before, record }, 'disconnecting', why));
  await attempt('remember that it is being deleted', () => records.save(String(id), record));
  failpoint('endpoint-deleting');
  await attempt('delete device', () => netlink.deleteLink(ifIndex(record.device.index)));
  endpoints.delete(id);
  // If the datapath can not let go of it now, nobody else may have its slot and addresses.
  let released = true;
  await attempt('take it out of the datapath', () => writer.commit().catch((error: unknown) => { released = false; throw error; }));
  await attempt('release identity', async () => { await Promise.resolve(); identities.release(endpoint.identity.id); });
  if (released) releaseNumbers(resources, endpoint);
  await attempt('forget it', () => records.remove(String(id)));
  logger.info({ endpoint: id, pod: record.podName, why, ...(errors.length > 0 && { errors }) }, 'endpoint deleted');
  context.announce('endpoint-deleted', why, id);
  return errors;
};

const releaseNumbers = (resources: EndpointContext['resources'], { id, slot, record, ipv4, ipv6 }: Endpoint): void => {
  resources.ids.release(id);
  resources.slots.release(slot);
  resources.devices.release(record.device.index);
  if (ipv4) resources.ipv4?.release(ipv4);
  if (ipv6) resources.ipv6?.release(ipv6);
};
