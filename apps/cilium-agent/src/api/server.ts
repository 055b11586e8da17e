import { openApiDocument, operations } from '@cilium-ts/agent-api';
import type { ApiError, Operation, OperationName } from '@cilium-ts/agent-api';
import { errorMessage } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import { AgentError } from '../error.ts';
import type { AgentErrorCode } from '../error.ts';
import { PolicyImportError } from '../policy/policy-set.ts';
import type { Handlers } from './handler.ts';
import { formatSchemaIssues, schemaIssues } from '../schema/schema-issues.ts';

/** What the server works with. */
export interface ApiServerDeps {
  readonly handlers: Handlers;
  readonly logger: Logger;
  readonly version: string;
  readonly metricsText: () => Promise<string>;
  readonly observe: (call: { readonly path: string; readonly method: string; readonly code: number; readonly seconds: number }) => void;
}

/** The API on its socket. */
export interface ApiServer {
  listen(socketPath: string): Promise<void>;
  close(): Promise<void>;
}

const STATUS: Readonly<Partial<Record<AgentErrorCode, number>>> = {
  invalid: 400, 'policy-invalid': 400, 'not-found': 404, conflict: 409, 'foreign-device': 409, 'not-ready': 503,
};
/** Longest path of a unix socket (sun_path of linux/un.h, less the NUL). */
const LONGEST_SOCKET_PATH = 107;
const LARGEST_BODY = 16 * 1024 * 1024;

const errorBody = (error: unknown): { readonly status: number; readonly body: ApiError } => {
  if (error instanceof PolicyImportError) return { status: 400, body: { code: error.code, message: error.message, issues: error.issues.map((issue) => ({ ...issue })) } };
  if (error instanceof AgentError) return { status: STATUS[error.code] ?? 500, body: { code: error.code, message: error.message } };
  const status = (error as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status < 500) return { status, body: { code: 'invalid', message: errorMessage(error) } };
  return { status: 500, body: { code: 'failed', message: errorMessage(error) } };
};

const parsed = (schema: z.ZodType | undefined, value: unknown, part: string): unknown => {
  if (!schema) return undefined;
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const issues = schemaIssues(schema, value ?? {}, result.error);
  // A field of the body is named as in the document; of a parameter it is said where it stands.
  const named = part === 'body' ? issues : issues.map((issue) => ({ ...issue, path: [part, ...issue.path] }));
  throw new AgentError('invalid', `read request: ${formatSchemaIssues(named, 'the document')}`);
};

const callerGone = (reply: FastifyReply): AbortSignal => {
  const abort = new AbortController();
  // Of the answer, not of the connection, which serves many calls.
  reply.raw.once('close', () => { abort.abort(); });
  return abort.signal;
};

async function* jsonLines(events: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}

type AnyHandler = (input: unknown) => unknown;

const serve = (operation: Operation, handler: AnyHandler) => async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
  const input = {
    params: parsed(operation.params, request.params, 'path'),
    query: parsed(operation.query, request.query, 'query'),
    body: operation.body && parsed(operation.body.schema, request.body, 'body'),
    signal: callerGone(reply),
  };
  const { status, kind } = operation.success;
  const answer = await handler(input);
  if (kind !== 'ndjson') return reply.code(status).send(answer);
  return reply.code(status).type('application/x-ndjson').send(Readable.from(jsonLines(answer as AsyncIterable<unknown>)));
};

/** Policy documents come as text of any type; everything else is JSON. */
const takeText = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_, text, done) => { done(null, text); });
};

const addRoutes = (app: FastifyInstance, deps: ApiServerDeps): void => {
  const add = (target: FastifyInstance, name: OperationName): void => {
    const operation: Operation = operations[name];
    target.route({ method: operation.method, url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'), handler: serve(operation, deps.handlers[name] as AnyHandler) });
  };
  const names = Object.keys(operations) as OperationName[];
  const isText = (name: OperationName): boolean => (operations[name] as Operation).body?.kind === 'text';
  void app.register((v1, _, done) => {
    for (const name of names.filter((each) => !isText(each))) add(v1, name);
    v1.get('/openapi.json', () => openApiDocument(deps.version));
    done();
  }, { prefix: '/v1' });
  void app.register((v1, _, done) => {
    takeText(v1);
    for (const name of names.filter(isText)) add(v1, name);
    done();
  }, { prefix: '/v1' });
  app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await deps.metricsText()));
};

/** A server over the handlers; it listens when told to. */
export const createApiServer = (deps: ApiServerDeps): ApiServer => {
  // Requests are checked by the operations' own schemas, so fastify's compilers, the larger part of it, are not loaded.
  const schemaController = { compilersFactory: { buildValidator: () => () => () => true, buildSerializer: () => () => JSON.stringify } } as unknown as NonNullable<FastifyServerOptions['schemaController']>;
  const app: FastifyInstance = fastify({ logger: false, bodyLimit: LARGEST_BODY, forceCloseConnections: true, schemaController });
  app.setErrorHandler((error, request, reply) => {
    const { status, body } = errorBody(error);
    if (status >= 500) deps.logger.error({ method: request.method, url: request.url, code: body.code }, body.message);
    else deps.logger.debug({ method: request.method, url: request.url, status }, body.message);
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) => reply.code(404).send({ code: 'not-found', message: `there is no ${request.method} ${request.url}; /v1/openapi.json describes the API` }));
  app.addHook('onResponse', (request, reply, done) => {
    deps.observe({ path: request.routeOptions.url ?? 'unknown', method: request.method, code: reply.statusCode, seconds: reply.elapsedTime / 1000 });
    done();
  });
  addRoutes(app, deps);
  return {
    async listen(socketPath) {
      if (Buffer.byteLength(socketPath) > LONGEST_SOCKET_PATH) throw new AgentError('config', `listen on ${socketPath}: the path of a unix socket has at most ${LONGEST_SOCKET_PATH} bytes; choose a shorter --socket-path`);
      mkdirSync(dirname(socketPath), { recursive: true, mode: 0o755 });
      // Whoever had it is gone: the locks on state folder and namespace are ours.
      rmSync(socketPath, { force: true });
      try {
        await app.listen({ path: socketPath });
      } catch (cause) {
        throw new AgentError('config', `listen on ${socketPath}: ${errorMessage(cause)}`, { cause });
      }
      chmodSync(socketPath, 0o660);
    },
    close: () => app.close(),
  };
};
