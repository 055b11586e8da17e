import { errorMessage } from '@cilium-ts/core';
import { createBpfHandlers } from './api/bpf-handlers.ts';
import { createDaemonHandlers } from './api/daemon-handlers.ts';
import { createEndpointHandlers, createIdentityHandlers } from './api/endpoint-handlers.ts';
import { createPolicyHandlers } from './api/policy-handlers.ts';
import { createPrefilterHandlers } from './api/prefilter-handlers.ts';
import { createApiServer } from './api/server.ts';
import { createServiceHandlers } from './api/service-handlers.ts';
import type { Composed } from './compose-state.ts';
import { watchDevices } from './endpoint/device-watch.ts';
import type { DeviceWatch } from './endpoint/device-watch.ts';
import { restoreEndpoints, resumeEndpoints } from './endpoint/restore-endpoints.ts';
import type { Part } from './lifecycle/part.ts';
import { createMetricsServer } from './metrics/metrics-server.ts';
import { startEventPump } from './monitor/event-pump.ts';
import { servicesWanted } from './service/services-wanted.ts';
import { socketsPart } from './traffic/sockets-part.ts';
import { uplinksPart } from './traffic/uplinks-part.ts';
import { createWatchedFolder } from './source/watched-folder.ts';
import type { FolderSnapshot } from './source/watched-folder.ts';

/**
 * The parts of the agent in the order they start. First everything is read that says what should be; then, once, it is put
 * in force; only then does anything else begin.
 */
export const agentParts = (composed: Composed): Part[] => {
  const { mode, 'prometheus-serve-addr': prometheus } = composed.state.config.values;
  const withEndpoints = mode !== 'lb-only';
  return [
    nodeAddressesPart(composed),
    ...(withEndpoints ? [endpointsPart(composed)] : []),
    serviceSourcesPart(composed),
    policyPart(composed),
    servicesPart(composed),
    socketsPart(composed),
    uplinksPart(composed),
    ...(withEndpoints ? [devicesPart(composed), repairsPart(composed)] : []),
    eventsPart(composed),
    ...(prometheus === undefined ? [] : [createMetricsServer(prometheus, () => metricsText(composed))]),
    apiPart(composed),
  ];
};

const metricsText = async ({ state }: Pick<Composed, 'state'>): Promise<string> => (await state.metrics()).registry.metrics();

/** Every address of the node is the host's, from before the first packet is judged. */
const nodeAddressesPart = ({ state, logger }: Composed): Part => ({
  name: 'node-addresses',
  async start() {
    await state.nodeAddresses.read();
    state.nodeAddresses.watch(() => {
      // Before the first commit everything is read anyway.
      if (!state.ready()) return;
      state.writer.commit().catch((error: unknown) => { logger.error({ error: errorMessage(error) }, 'node addresses could not be published'); });
      state.services.current?.refresh([]);
    });
  },
  stop: () => { state.nodeAddresses.close(); },
});

const endpointsPart = ({ context, opened }: Composed): Part => ({
  name: 'endpoints',
  async start() {
    await restoreEndpoints(context, opened.loaded.documents);
  },
  stop: () => undefined,
});

/** Reads all policies, puts everything in force for the first time, and follows the folder from then on. */
const policyPart = ({ state, context, opened, logger }: Composed): Part => {
  const { policies, writer, config } = state;
  const path = config.values.mode === 'lb-only' ? undefined : config.values['policy-dir'];
  const folder = path === undefined ? undefined : createWatchedFolder(path, { what: 'policy folder', logger });
  const changed = async (snapshot: FolderSnapshot): Promise<void> => {
    if (!(await policies.updateFolder(snapshot))) return;
    const { revision } = await writer.commit();
    state.announce('policy-updated', `policy revision ${revision} from ${path}`);
  };
  return {
    name: 'policy',
    async start() {
      await policies.load();
      if (folder) await policies.updateFolder(await folder.read());
      await writer.commit();
      await resumeEndpoints(context);
      opened.identities.releaseUnclaimed();
      opened.local.releaseUnclaimed();
      for (const problem of policies.problems()) logger.error({}, problem);
      folder?.watch(changed);
    },
    async stop() {
      folder?.close();
      await writer.close();
    },
  };
};

/** What policies may refer to is known before the first one is in force. */
const serviceSourcesPart = ({ state }: Composed): Part => ({
  name: 'service-sources',
  async start() {
    if (servicesWanted(state)) await state.services.read();
  },
  stop: () => state.services.close(),
});

/** Services are opened now if anything asks for them, and with the first call that does otherwise. */
const servicesPart = ({ state }: Composed): Part => ({
  name: 'services',
  async start() {
    if (servicesWanted(state)) await state.services.open();
    state.endpoints.listen((before, after) => {
      if (before?.device === after?.device && before?.record.phase === after?.record.phase) return;
      state.services.current?.refresh([before, after].flatMap((endpoint) => [endpoint?.ipv4?.text ?? [], endpoint?.ipv6?.text ?? []]).flat());
    });
  },
  stop: () => state.services.close(),
});

const devicesPart = ({ state, context }: Composed): Part => {
  let watch: DeviceWatch | undefined;
  return {
    name: 'devices',
    async start() {
      watch = watchDevices(context, state.manager);
      await watch.check();
    },
    stop: () => { watch?.close(); },
  };
};

/** From here on, what others remove from the kernel is put back. */
const repairsPart = ({ state: { repairs } }: Composed): Part => ({ name: 'repairs', start: () => { repairs.start(); }, stop: () => repairs.close() });

const eventsPart = ({ state, logger }: Composed): Part => {
  let pump: ReturnType<typeof startEventPump> | undefined;
  const labels = new Map<number, readonly string[]>();
  const resolver = {
    labelsOf(id: number): readonly string[] {
      let found = labels.get(id);
      if (!found) {
        try {
          found = state.identityOf(id).labels.toStrings();
        } catch {
          return [];
        }
        labels.set(id, found);
      }
      return found;
    },
    nameOf: (id: number) => state.endpoints.get(id)?.record.podName,
  };
  state.endpoints.listen(() => { labels.clear(); });
  return {
    name: 'events',
    start() {
      pump = startEventPump(state.datapath, state.hub, { resolver, logger });
    },
    async stop() {
      state.hub.close();
      await pump?.stop();
    },
  };
};

const apiPart = ({ state, logger }: Composed): Part => {
  const server = createApiServer({
    handlers: { ...createDaemonHandlers(state), ...createEndpointHandlers(state), ...createIdentityHandlers(state), ...createPolicyHandlers(state), ...createBpfHandlers(state), ...createServiceHandlers(state), ...createPrefilterHandlers({ prefilter: () => (state.config.values['enable-xdp-prefilter'] ? state.traffic.xdp?.prefilter : undefined), announce: state.announce }) },
    logger, version: state.version, metricsText: () => metricsText({ state }), observe: (call) => { state.observeApi(call); },
  });
  return { name: 'api', start: () => server.listen(state.config.values['socket-path']), stop: () => server.close() };
};
