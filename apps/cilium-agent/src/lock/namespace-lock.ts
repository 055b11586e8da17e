import { createConnection, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { AgentError } from '../error.ts';
import type { Lock } from './holder-lock.ts';

/** Abstract sockets belong to the network namespace, and vanish with the process that holds them. */
const NAME = '\0cilium-agent';
const ANSWER_MS = 1000;

const askHolder = async (): Promise<string> =>
  new Promise((resolve) => {
    const socket = createConnection(NAME);
    let text = '';
    const done = (): void => { socket.destroy(); resolve(text); };
    socket.setTimeout(ANSWER_MS, done);
    socket.on('data', (data) => { text += data.toString(); });
    socket.on('error', done);
    socket.on('end', done);
  });

const describe = (answer: string): string => {
  try {
    const { pid, stateDir } = JSON.parse(answer) as { pid: number; stateDir: string };
    return `the agent with pid ${pid} (state folder ${stateDir})`;
  } catch {
    return 'another agent';
  }
};

/** Takes the network namespace of this process. Throws AgentError `locked` naming the agent that has it. */
export const lockNetworkNamespace = async (stateDir: string): Promise<Lock> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.end(JSON.stringify({ pid: process.pid, stateDir }));
  });
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(NAME, () => { resolve(undefined); });
  });
  if (failure?.code === 'EADDRINUSE') {
    throw new AgentError('locked', `lock network namespace: ${describe(await askHolder())} runs in this network namespace. There can be one; stop it, or start this one in another namespace.`);
  }
  if (failure) throw new AgentError('failed', `lock network namespace: ${failure.message}`, { cause: failure });
  server.unref();
  return {
    release() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};
