import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { ProbeOrder } from './protocol.ts';

/** An attempt under way. `done` resolves once; cancel() makes it resolve as cancelled, unless it is over. */
export interface Attempt {
  readonly done: Promise<{ readonly outcome: 'answered' | 'failed' | 'cancelled'; readonly error?: string }>;
  cancel(): void;
}

type Settle = (outcome: 'answered' | 'failed' | 'cancelled', error?: string) => void;

/** How often an unanswered question is asked again: packets may be lost on a busy machine. */
const RETRY_MS = 300;

/** Starts one attempt from the current network namespace. It goes on until answered, failed or cancelled. */
export function attempt(order: ProbeOrder): Attempt {
  let stop = (): void => {};
  let settle: Settle = () => {};
  const done = new Promise<{ outcome: 'answered' | 'failed' | 'cancelled'; error?: string }>((resolve) => {
    settle = (outcome, error) => {
      stop();
      resolve(error === undefined ? { outcome } : { outcome, error });
    };
  });
  stop = start[order.kind](order, settle);
  return { done, cancel: () => settle('cancelled') };
}

const start: Readonly<Record<ProbeOrder['kind'], (order: ProbeOrder, settle: Settle) => () => void>> = {
  TCP: tryTcp,
  UDP: tryUdp,
  ICMP: tryPing,
};

function tryTcp({ address, port, localPort }: ProbeOrder, settle: Settle): () => void {
  const socket = connect({ host: address, port, localPort });
  socket.once('connect', () => socket.write('hello'));
  socket.once('data', () => settle('answered'));
  socket.once('error', (error: NodeJS.ErrnoException) => settle('failed', error.code ?? error.message));
  return () => socket.destroy();
}

function tryUdp({ address, port, localPort }: ProbeOrder, settle: Settle): () => void {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const ask = (): void => socket.send('hello', port, address, () => undefined);
  socket.bind(localPort, ask);
  const timer = setInterval(ask, RETRY_MS);
  socket.once('message', () => settle('answered'));
  socket.on('error', (error: NodeJS.ErrnoException) => settle('failed', error.code ?? error.message));
  let closed = false;
  return () => {
    clearInterval(timer);
    if (!closed) socket.close();
    closed = true;
  };
}

/** Node has no ICMP sockets. */
function tryPing({ address }: ProbeOrder, settle: Settle): () => void {
  const ping = spawn('ping', ['-n', '-i', String(RETRY_MS / 1000), address], { stdio: ['ignore', 'pipe', 'ignore'] });
  ping.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('bytes from')) settle('answered');
  });
  ping.once('error', (error: NodeJS.ErrnoException) => settle('failed', `ping: ${error.code}`));
  ping.once('exit', (code) => settle('failed', `ping: exit ${code}`));
  return () => ping.kill('SIGKILL');
}
