import { detachSockets, openSocketLoadBalancer } from '@cilium-ts/datapath-programs';
import type { Composed } from '../compose-state.ts';
import type { Settings } from '../config/options.ts';
import type { Part } from '../lifecycle/part.ts';
import { createProgramKind, createProgramTable } from '../reconcile/attached-programs.ts';
import { datapathOptions } from '../start-agent.ts';
import { cgroupRoot } from './cgroup-root.ts';
import { createSocketTerminator } from './terminate-sockets.ts';

/** Whether services are translated at the socket. */
export const socketsWanted = (values: Settings): boolean => values['kube-proxy-replacement'] || values['bpf-lb-sock'];

/** Translation at the socket: attached while the settings say so, and taken off by the first start without. It stays when the agent stops. */
export const socketsPart = ({ state: { config: { values }, traffic, endpoints, datapath, repairs }, logger }: Composed): Part => {
  let kept: { close(): Promise<void> } | undefined;
  return {
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
      const desired = createProgramTable('socket-programs');
      desired.upsert({ key: cgroup, what: `socket-programs of cgroup ${cgroup}`, place: 0 });
      kept = repairs.keep(createProgramKind(desired, { name: 'socket-programs', isAttached: () => sockets.isAttached(), attach: () => { sockets.attach(); } }));
      logger.info({ cgroup }, 'services are translated at the socket');
    },
    async stop() {
      await kept?.close();
      await traffic.sockets?.terminator.close();
      traffic.sockets?.handle.close();
      traffic.sockets = undefined;
    },
  };
};
