import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';

/** A service whose load balancer asks each node whether it has a backend of its own: externalTrafficPolicy Local. */
export interface HealthCheckedService {
  readonly namespace: string;
  readonly name: string;
  /** Its healthCheckNodePort. */
  readonly port: number;
  /** Backends on this node that take new connections. */
  readonly localEndpoints: number;
}

/** Answers on the healthCheckNodePort of services. */
export interface HealthCheckServer {
  /** Makes the open ports those of these services; resolves when they are. A port that can not be opened is tried again with the next update. */
  update(services: Iterable<HealthCheckedService>): Promise<void>;
  /** What can not be answered, for people. */
  problems(): readonly string[];
  close(): Promise<void>;
}

/** The answer of one service, as kube-proxy and Cilium give it: 200 with a backend here, 503 without; the weight is how many. */
export const healthAnswer = ({ namespace, name, localEndpoints }: HealthCheckedService): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string } => ({
  status: localEndpoints > 0 ? 200 : 503,
  headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff', 'x-load-balancing-endpoint-weight': String(localEndpoints) },
  body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true }),
});

interface Port {
  readonly server: Server;
  service: HealthCheckedService;
}

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '::' }, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** A server without any port open. */
export const createHealthCheckServer = ({ logger }: { readonly logger: Logger }): HealthCheckServer => {
  const ports = new Map<number, Port>();
  const failures = new Map<number, string>();

  const open = async (service: HealthCheckedService): Promise<void> => {
    const entry: Port = { service, server: createServer((_, response: ServerResponse) => {
        const { status, headers, body } = healthAnswer(entry.service);
        response.writeHead(status, headers).end(body);
      }) };
    try {
      await listening(entry.server, service.port);
      entry.server.unref();
      ports.set(service.port, entry);
      failures.delete(service.port);
    } catch (error) {
      const message = `health check port ${service.port} of service ${service.namespace}/${service.name} can not be opened: ${errorMessage(error)}`;
      if (failures.get(service.port) !== message) logger.error({ port: service.port }, message);
      failures.set(service.port, message);
    }
  };
  const shut = (port: number, { server }: Port): Promise<void> => {
    ports.delete(port);
    return new Promise((resolve) => {
      server.close(() => { resolve(); });
      server.closeAllConnections();
    });
  };

  return {
    async update(services) {
      const wanted = new Map([...services].map((service) => [service.port, service] as const));
      for (const port of failures.keys()) if (!wanted.has(port)) failures.delete(port);
      await Promise.all([...ports].filter(([port]) => !wanted.has(port)).map(([port, entry]) => shut(port, entry)));
      await Promise.all([...wanted.values()].map((service) => {
        const entry = ports.get(service.port);
        if (!entry) return open(service);
        entry.service = service;
        return undefined;
      }));
    },
    problems: () => [...failures.values()],
    async close() {
      await Promise.all([...ports].map(([port, entry]) => shut(port, entry)));
    },
  };
};
