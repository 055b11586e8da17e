import { detachSockets, openSocketLoadBalancer } from '@cilium-ts/datapath-programs';
import type { Composed } from '../compose-state.ts';
import type { Settings } from '../config/options.ts';
import type { Part } from '../lifecycle/part.ts';
import { datapathOptions } from '../start-agent.ts';
import { cgroupRoot } from './cgroup-root.ts';
import { createSocketTerminator } from './terminate-sockets.ts';

/** Whether services are translated at the socket. */
export const socketsWanted = (values: Settings): boolean => values['kube-proxy-replacement'] || values['bpf-lb-sock'];

/** Translation at the socket: attached while the settings say so, and taken off by the first start without. It stays when the agent stops. */
export const socketsPart = ({ state: { config: { values }, traffic, endpoints, datapath }, logger }: Composed): Part => ({
  name: 'sockets',
  async start() {
    if (!socketsWanted(values)) {
      if (detachSockets(values['bpf-root'])) logger.info({}, 'services are not translated at the socket any more');
      return;
    }
    const cgroup = cgroupRoot(values['cgroup-root']);
    const sockets = await openSocketLoadBalancer({ logger }, { ...datapathOptions(values), cgroup });
    const terminator = createSocketTerminator({ sockets, services: await datapath.services(), endpoints, logger });
    traffic.sockets = { handle: sockets, terminator };
    // Of backends that went while no agent was there to see it.
    terminator.look();
    logger.info({ cgroup }, 'services are translated at the socket');
  },
  async stop() {
    await traffic.sockets?.terminator.close();
    traffic.sockets?.handle.close();
    traffic.sockets = undefined;
  },
});
