import { errorMessage } from '@cilium-ts/core';
import { createServer } from 'node:http';
import { AgentError } from '../error.ts';
import type { Part } from '../lifecycle/part.ts';

/** Serves Prometheus text on an address (`:9962`, `127.0.0.1:9962`, `[::1]:9962`). */
export const createMetricsServer = (address: string, text: () => Promise<string>): Part => {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replaceAll(/[[\]]/g, '');
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end('metrics are at /metrics\n');
      return;
    }
    text().then(
      (body) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body),
      (error: unknown) => response.writeHead(500).end(`${errorMessage(error)}\n`),
    );
  });
  return {
    name: 'prometheus',
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', (cause) => { reject(new AgentError('config', `serve metrics on ${address}: ${cause.message}; choose another --prometheus-serve-addr`, { cause })); });
        server.listen({ port: Number(address.slice(colon + 1)), ...(host !== '' && { host }) }, resolve);
      }),
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => { resolve(); });
      }),
  };
};
