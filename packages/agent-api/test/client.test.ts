import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentApiError, createAgentClient } from '../src/index.ts';

let folder: string;
let server: Server | undefined;

const listen = async (handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> => {
  const socketPath = join(folder, 'agent.sock');
  server = createServer(handler);
  await new Promise<void>((resolve) => server?.listen(socketPath, resolve));
  return socketPath;
};

const failure = async (promise: Promise<unknown>): Promise<AgentApiError> => {
  const error: unknown = await promise.then(() => undefined, (caught: unknown) => caught);
  if (!(error instanceof AgentApiError)) throw new Error(`expected AgentApiError, got ${String(error)}`);
  return error;
};

beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'agent-api-')); });
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise<void>((resolve) => { if (server) server.close(() => { resolve(); }); else resolve(); });
  server = undefined;
  await rm(folder, { recursive: true });
});

describe('createAgentClient', () => {
  it('sends JSON and returns the checked answer', async () => {
    const seen: { method: string | undefined; url: string | undefined; body: string }[] = [];
    const socketPath = await listen((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => { body += chunk.toString(); });
      request.on('end', () => {
        seen.push({ method: request.method, url: request.url, body });
        response.end(JSON.stringify({ spec: { user: ['k8s:a=b'] }, status: { realized: { user: ['k8s:a=b'] }, 'security-relevant': ['k8s:a=b'] } }));
      });
    });
    await using client = createAgentClient({ socketPath });
    const labels = await client.setEndpointLabels('container-name:web', ['k8s:a=b']);
    expect(labels.status['security-relevant']).toEqual(['k8s:a=b']);
    expect(seen).toEqual([{ method: 'PATCH', url: '/v1/endpoint/container-name%3Aweb/labels', body: '{"user":["k8s:a=b"]}' }]);
  });

  it('sends policy documents as text with the name of their file', async () => {
    let type: string | undefined;
    let url: string | undefined;
    const socketPath = await listen((request, response) => {
      type = request.headers['content-type'];
      url = request.url;
      response.end(JSON.stringify({ revision: 3, resources: ['a'], issues: [], failures: [] }));
    });
    await using client = createAgentClient({ socketPath });
    expect((await client.importPolicy('kind: X', { file: 'a b.yaml' })).revision).toBe(3);
    expect({ type, url }).toEqual({ type: 'application/yaml', url: '/v1/policy?file=a+b.yaml' });
  });

  it('names the socket and the remedy when no agent was ever there', async () => {
    const error = await failure(createAgentClient({ socketPath: join(folder, 'none.sock') }).healthz());
    expect(error.code).toBe('agent-not-running');
    expect(error.message).toContain(join(folder, 'none.sock'));
    expect(error.message).toContain('Start cilium-agent');
  });

  it('tells a socket left behind from a missing one', async () => {
    const socketPath = join(folder, 'stale.sock');
    spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`]);
    const error = await failure(createAgentClient({ socketPath }).healthz());
    expect(error.code).toBe('agent-not-running');
    expect(error.message).toContain('left behind');
  });

  it("hands on the agent's refusal with its issues", async () => {
    const socketPath = await listen((_, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ code: 'policy-invalid', message: 'import policy: p.yaml:3: no', issues: [{ severity: 'error', message: 'no', line: 3 }] }));
    });
    await using client = createAgentClient({ socketPath });
    const error = await failure(client.importPolicy('x'));
    expect(error).toMatchObject({ code: 'request-refused', status: 400, reason: 'policy-invalid', message: 'import policy: p.yaml:3: no', issues: [{ line: 3 }] });
  });

  it('reports an answer of another form', async () => {
    const socketPath = await listen((_, response) => { response.end('{"id":"x"}'); });
    await using client = createAgentClient({ socketPath });
    expect((await failure(client.getIdentity(5))).code).toBe('bad-answer');
  });

  it('gives up on an agent that does not answer', async () => {
    const socketPath = await listen(() => undefined);
    await using client = createAgentClient({ socketPath, timeoutMs: 200 });
    expect((await failure(client.healthz())).code).toBe('timeout');
  });

  it('yields monitor events line by line and ends the connection with the loop', async () => {
    let closed = false;
    const socketPath = await listen((request, response) => {
      request.on('close', () => { closed = true; });
      const start = JSON.stringify({ type: 'start', timestamp: 't', since: 's', missed: 2 });
      const lost = JSON.stringify({ type: 'lost', timestamp: 't', where: 'kernel', count: 7 });
      response.write(`${start}\n${lost.slice(0, 10)}`);
      setTimeout(() => { response.write(`${lost.slice(10)}\n`); }, 20);
    });
    await using client = createAgentClient({ socketPath });
    const events = [];
    for await (const event of client.monitor({ types: ['drop', 'trace'], relatedTo: 5 })) {
      events.push(event);
      if (events.length === 2) break;
    }
    expect(events).toEqual([{ type: 'start', timestamp: 't', since: 's', missed: 2 }, { type: 'lost', timestamp: 't', where: 'kernel', count: 7 }]);
    await expect.poll(() => closed).toBe(true);
  });
});
