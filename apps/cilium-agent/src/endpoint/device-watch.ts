import { errorMessage } from '@cilium-ts/core';
import { ifIndex, openNamespace } from '@cilium-ts/netlink';
import type { Link } from '@cilium-ts/netlink';
import type { EndpointContext } from './context.ts';
import { withState } from './endpoint.ts';
import type { DeviceState, Endpoint } from './endpoint.ts';
import type { EndpointManager } from './endpoint-manager.ts';
import { deviceState, namespaceLives, serviceRequests, stateFor } from './restore-endpoints.ts';
import { configureContainer } from './wiring.ts';

/** Follows the endpoints' devices. */
export interface DeviceWatch {
  /** Compares all devices with what is known, as after lost events. */
  check(): Promise<void>;
  close(): void;
}

/** How long to wait for a namespace to be taken apart after its device is gone (milliseconds). */
const NAMESPACE_GRACE = 200;

/**
 * Watches the devices of endpoints: one that goes down or vanishes closes its endpoint and says so; one whose namespace
 * is gone too takes its endpoint with it; one that comes back is put in service again.
 */
export const watchDevices = (context: EndpointContext, manager: EndpointManager): DeviceWatch => {
  const { endpoints, netlink, logger, writer } = context;
  const watch = netlink.watchLinks();

  const gone = async ({ id, record }: Endpoint): Promise<void> => {
    await new Promise((resolve) => { setTimeout(resolve, NAMESPACE_GRACE); });
    if (endpoints.get(id)?.record.phase !== 'ready' || namespaceLives(record.netns)) return;
    await manager.remove(id, `its namespace ${record.netns.path} is gone`);
  };

  /** What an event said may be over by now, so the device itself is asked. */
  const changed = async (id: number, said: DeviceState): Promise<void> => {
    const told = endpoints.get(id);
    if (told?.record.phase !== 'ready' || told.device === said) return;
    const found = await netlink.getLink(ifIndex(told.record.device.index));
    const link = found?.name === told.record.device.name ? found : undefined;
    const device = deviceState(link);
    const endpoint = endpoints.get(id);
    if (endpoint?.record.phase !== 'ready' || endpoint.device === device) return;
    const message = device === 'up' ? 'its device is up again' : `its device is ${device}; its traffic is closed`;
    logger.warn({ endpoint: endpoint.id, device: endpoint.record.device.name }, message);
    endpoints.update(endpoint.id, (before) => withState({ ...before, device, netnsId: link?.peerNamespaceId ?? before.netnsId }, stateFor(device), message, device === 'up' ? 'ok' : 'failed'));
    context.announce('endpoint-device', message, endpoint.id);
    await writer.commit();
    if (device === 'up') await repair(context, endpoint, link);
    if (device === 'gone') await gone(endpoint);
  };

  const handle = (endpoint: Endpoint | undefined, device: DeviceState): void => {
    if (endpoint) changed(endpoint.id, device).catch((error: unknown) => { logger.error({ endpoint: endpoint.id, error: errorMessage(error) }, 'change of a device could not be worked off'); });
  };

  const check = async (): Promise<void> => {
    const links = new Map((await netlink.listLinks({ kind: 'veth' })).map((link) => [link.index as number, link] as const));
    for (const endpoint of [...endpoints]) {
      handle(endpoint, deviceState(links.get(endpoint.record.device.index)));
    }
  };

  const follow = async (): Promise<void> => {
    for await (const event of watch) {
      if (event.kind === 'overrun') await check();
      else handle(endpoints.byDevice(event.record.index), event.kind === 'new' ? deviceState(event.record) : 'gone');
    }
  };
  follow().catch((error: unknown) => { logger.error({ error: errorMessage(error) }, 'watching devices ended'); });
  return { check, close: () => { watch.close(); } };
};

/** A device that was down has lost its routes on both sides. */
const repair = async (context: EndpointContext, endpoint: Endpoint, link: Link | undefined): Promise<void> => {
  const { router4, router6, netlink } = context;
  const { ipv4, ipv6, mac, record } = endpoint;
  await netlink.batch(serviceRequests(context, endpoint));
  if (link?.peer === undefined) return;
  using netns = openNamespace(record.netns.path);
  if (netns.id === record.netns.id) await configureContainer(netns, { index: ifIndex(link.peer), mac }, { ipv4, ipv6, router4, router6 });
};
