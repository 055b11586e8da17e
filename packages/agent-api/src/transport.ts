import type { Client } from 'undici';
import { z } from 'zod';
import { AgentApiError, connectionError } from './errors.ts';
import type { Operation } from './operations.ts';
import { ApiError } from './schema/common.ts';

/** What a call sends besides its operation. */
export interface CallInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** An operation whose answers have the form S. */
export type OperationOf<S extends z.ZodType> = Operation & { readonly success: { readonly schema: S } };

/** Sends operations to one agent over its unix socket. */
export interface Transport {
  /** The agent's answer, checked against the operation's schema. */
  call<S extends z.ZodType>(operation: OperationOf<S>, input?: CallInput): Promise<z.output<S>>;
  /** The agent's answer line by line, each checked; ends when the agent ends it, the loop is left or the signal fires. */
  stream<S extends z.ZodType>(operation: OperationOf<S>, input?: CallInput): AsyncIterable<z.output<S>>;
  /** Text of a path outside `/v1`. */
  text(path: string, signal?: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

const pathOf = (operation: Operation, input: CallInput): string => {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = input.params?.[name];
    if (value === undefined) throw new TypeError(`parameter ${name} of ${operation.path} is missing`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams(Object.entries(input.query ?? {}).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)] as [string, string]])));
  return `/v1${path}${query.size > 0 ? `?${query.toString()}` : ''}`;
};

const refusal = (action: string, status: number, text: string): AgentApiError => {
  let parsed: unknown;
  try { parsed = JSON.parse(text); } catch { parsed = undefined; }
  const error = ApiError.safeParse(parsed);
  if (!error.success) return new AgentApiError('bad-answer', `${action}: the agent answered ${status} with: ${text.slice(0, 200)}`, { status });
  return new AgentApiError('request-refused', error.data.message, { status, reason: error.data.code, ...(error.data.issues && { issues: error.data.issues }) });
};

const checked = <S extends z.ZodType>(action: string, schema: S, text: string): z.output<S> => {
  let value: unknown;
  try { value = JSON.parse(text); } catch (cause) { throw new AgentApiError('bad-answer', `${action}: the agent's answer is no JSON: ${text.slice(0, 200)}`, { cause }); }
  const result = schema.safeParse(value);
  if (!result.success) throw new AgentApiError('bad-answer', `${action}: the agent's answer does not have the expected form (is it of another version?): ${z.prettifyError(result.error)}`, { cause: result.error });
  return result.data;
};

async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    let end: number;
    while ((end = rest.indexOf('\n')) >= 0) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line !== '') yield line;
    }
  }
}

/** One request: an operation of the API, or a bare path. */
interface Call {
  readonly method: Operation['method'];
  readonly path: string;
  readonly operation?: Operation;
}

/** Sends one request and waits for the beginning of its answer; a failed connection becomes an error that names the socket. */
const sender = (socketPath: string) => async (target: Client, { method, path, operation }: Call, input: CallInput) => {
  const text = operation?.body?.kind === 'text';
  const body = input.body === undefined ? null : text ? String(input.body) : JSON.stringify(input.body);
  const headers = body === null ? {} : { 'content-type': text ? 'application/yaml' : 'application/json' };
  try {
    return await target.request({ method, path, headers, body, ...(input.signal && { signal: input.signal }), ...(operation?.success.kind === 'ndjson' && { bodyTimeout: 0 }) });
  } catch (cause) {
    if (input.signal?.aborted) throw cause;
    throw connectionError(socketPath, `${method} ${path}`, cause);
  }
};

/** Opens nothing yet: the first call connects. `timeoutMs` bounds the wait for an answer's beginning; streams may idle for ever. */
export const createTransport = ({ socketPath, timeoutMs }: { readonly socketPath: string; readonly timeoutMs: number }): Transport => {
  const open = async (bodyTimeout: number): Promise<Client> => {
    // Loaded with the first call: the agent itself uses this package for its schemas alone.
    const undici = await import('undici');
    return new undici.Client('http://localhost', { socketPath, headersTimeout: timeoutMs, bodyTimeout, connectTimeout: Math.min(timeoutMs, 10_000), pipelining: 1 });
  };
  const send = sender(socketPath);
  let shared: Promise<Client> | undefined;
  const client = (): Promise<Client> => (shared ??= open(timeoutMs));
  const streams = new Set<Client>();

  return {
    async call<S extends z.ZodType>(operation: OperationOf<S>, input: CallInput = {}): Promise<z.output<S>> {
      const path = pathOf(operation, input);
      const action = `${operation.method} ${path}`;
      const response = await send(await client(), { method: operation.method, path, operation }, input);
      const text = await response.body.text();
      if (response.statusCode >= 300) throw refusal(action, response.statusCode, text);
      return checked(action, operation.success.schema, text);
    },

    async *stream<S extends z.ZodType>(operation: OperationOf<S>, input: CallInput = {}): AsyncGenerator<z.output<S>> {
      const path = pathOf(operation, input);
      const action = `${operation.method} ${path}`;
      const own = await open(0);
      streams.add(own);
      try {
        const response = await send(own, { method: operation.method, path, operation }, input);
        if (response.statusCode >= 300) throw refusal(action, response.statusCode, await response.body.text());
        try {
          for await (const line of lines(response.body)) yield checked(action, operation.success.schema, line);
        } catch (cause) {
          if (cause instanceof AgentApiError) throw cause;
          if (input.signal?.aborted) return;
          throw connectionError(socketPath, action, cause);
        }
      } finally {
        streams.delete(own);
        await own.destroy();
      }
    },

    async text(path, signal) {
      const response = await send(await client(), { method: 'GET', path }, { signal });
      const text = await response.body.text();
      if (response.statusCode >= 300) throw refusal(`GET ${path}`, response.statusCode, text);
      return text;
    },

    async close() {
      await Promise.all([shared?.then((opened) => opened.destroy()), ...[...streams].map((stream) => stream.destroy())]);
    },
  };
};
