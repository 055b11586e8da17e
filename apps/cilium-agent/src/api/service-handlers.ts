import { AgentError } from '../error.ts';
import type { ServiceSlot } from '../service/service-slot.ts';
import type { Services } from '../service/services.ts';
import type { Handlers } from './handler.ts';

type ServiceHandlers = Pick<Handlers, 'listServices' | 'getService' | 'putService' | 'deleteService' | 'listServiceFiles' | 'explainService' | 'listBpfServices'>;

/** What the handlers work with. */
export interface ServiceState {
  readonly services: ServiceSlot;
  readonly ready: () => boolean;
  readonly announce: (kind: string, message: string) => void;
}

/** Serves `/service` and `/bpf/lb`. The load balancer is opened by the first call that needs it. */
export const createServiceHandlers = ({ services, ready, announce }: ServiceState): ServiceHandlers => {
  const opened = async (): Promise<Services> => {
    if (!ready()) throw new AgentError('not-ready', 'services: the agent is starting');
    return services.open();
  };
  return {
    listServices: async () => (await opened()).list(),
    getService: async ({ params }) => (await opened()).get(params.id),
    async putService({ params: { id }, body }) {
      if (body.id !== undefined && body.id !== id) throw new AgentError('invalid', `put service: the path says ${id}, the body ${body.id}`);
      const service = await (await opened()).put(id, body);
      announce('service-upserted', `service ${id} with ${service.spec['backend-addresses'].length} backends`);
      return service;
    },
    async deleteService({ params: { id } }) {
      await (await opened()).delete(id);
      announce('service-deleted', `service ${id}`);
      return { id };
    },
    listServiceFiles: async () => (await opened()).files(),
    explainService: async ({ body }) => (await opened()).explain(body),
    listBpfServices: async () => (await opened()).bpf(),
  };
};
