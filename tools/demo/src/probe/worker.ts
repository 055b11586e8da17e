import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { attempt, type Attempt } from './attempt.ts';
import type { FromWorker, ServeOrder, ToWorker } from './protocol.ts';

/**
 * The process in a pod, on the node or in the outside world: serves ports and opens connections, as told over the
 * channel that child_process opened. Ends when the channel closes, unless it was told to stay.
 */
export async function worker(): Promise<void> {
  const attempts = new Map<number, Attempt>();
  let stay = false;
  process.on('message', (message: ToWorker) => {
    if (message.type === 'serve') void serve(message.serve).then(() => tell({ type: 'serving' }), report);
    else if (message.type === 'probe') {
      const { id } = message.probe;
      const under = attempt(message.probe);
      attempts.set(id, under);
      void under.done.then((result) => {
        attempts.delete(id);
        tell({ type: 'outcome', outcome: { id, ...result } });
      });
    } else if (message.type === 'cancel') attempts.get(message.id)?.cancel();
    else if (message.type === 'talk') talk(message.talk);
    else stay = true;
  });
  // Ctrl-C reaches every process of the terminal; the demo decides who ends when.
  process.on('SIGINT', () => undefined);
  await once(process, 'disconnect');
  if (!stay) process.exit(0);
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

function report(error: unknown): void {
  tell({ type: 'error', message: error instanceof Error ? error.message : String(error) });
}

/** Echo servers on every address of both families. */
async function serve({ tcp, udp }: ServeOrder): Promise<void> {
  for (const port of tcp) {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    server.listen({ port, host: '::' });
    await once(server, 'listening');
  }
  for (const port of udp) {
    const socket = createSocket({ type: 'udp6' });
    socket.on('message', (data, from) => socket.send(data, from.port, from.address, () => undefined));
    socket.bind({ port, address: '::' });
    await once(socket, 'listening');
  }
}

/** Keeps one connection busy: a word every `intervalMs`, and a tick for each echo. */
function talk({ id, address, port, localPort, intervalMs }: Extract<ToWorker, { type: 'talk' }>['talk']): void {
  const socket = connect({ host: address, port, localPort, noDelay: true });
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  socket.once('connect', () => {
    timer = setInterval(() => socket.write('x'), intervalMs);
  });
  socket.on('data', () => tell({ type: 'tick', id, count: ++count, atMs: performance.timeOrigin + performance.now() }));
  socket.once('error', report);
  socket.once('close', () => clearInterval(timer));
}
