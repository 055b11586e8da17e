import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { terminateSockets } from '@cilium-ts/datapath-programs';
import type { Services, SocketLoadBalancer } from '@cilium-ts/datapath-programs';
import type { EndpointTable } from '../endpoint/endpoint-table.ts';

/** Ends connections to backends that have gone. */
export interface SocketTerminator {
  /** Looks through the sockets soon; calls that come together share one look. */
  look(): void;
  /** Resolves when no look is under way. */
  close(): Promise<void>;
}

/** What it works with. */
export interface SocketTerminatorDeps {
  readonly sockets: Pick<SocketLoadBalancer, 'maps'>;
  readonly services: Pick<Services, 'isGone'>;
  readonly endpoints: EndpointTable;
  readonly logger: Logger;
}

/** The agent's, which is the node's. */
const OWN_NAMESPACE = '/proc/self/ns/net';

/** Looks through the sockets of the node and of its endpoints. */
export const createSocketTerminator = ({ sockets: { maps }, services, endpoints, logger }: SocketTerminatorDeps): SocketTerminator => {
  let due = false;
  let closed = false;
  let last: Promise<void> = Promise.resolve();

  const turn = async (): Promise<void> => {
    due = false;
    if (closed) return;
    const paths = new Set([...endpoints].filter(({ device }) => device !== 'gone').map(({ record }) => record.netns.path));
    const { destroyed, left, failures } = await terminateSockets(
      { sockets: maps.cilium_sockets, isGone: (index, generation) => services.isGone(index, generation) },
      { namespaces: [OWN_NAMESPACE, ...paths] },
    );
    if (destroyed > 0) logger.info({ destroyed }, 'sockets whose backend has gone were ended');
    for (const { namespace, error } of failures) logger.warn({ netns: typeof namespace === 'string' ? namespace : namespace.path, error: error.message }, 'sockets whose backend has gone could not be ended');
    if (left > 0) logger.debug({ left }, 'sockets whose backend has gone are in namespaces that the agent does not know');
  };
  return {
    look() {
      if (due || closed) return;
      due = true;
      last = last.then(turn).catch((error: unknown) => { logger.error({ error: errorMessage(error) }, 'sockets whose backend has gone could not be ended'); });
    },
    async close() {
      closed = true;
      await last;
    },
  };
};
