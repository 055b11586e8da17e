import { spawn, type ChildProcess } from 'node:child_process';
import type { FromWorker, ProbeOrder, ProbeOutcome, ServeOrder, ToWorker } from './protocol.ts';

/** A worker process in some network namespace. */
export interface Worker extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when all ports are open. */
  serve(order: ServeOrder): Promise<void>;
  /** Resolves when the attempt is over: see cancel(). */
  probe(order: ProbeOrder): Promise<ProbeOutcome>;
  cancel(id: number): void;
  /** Opens a connection that is used until the worker ends; `onTick` hears each echo with the time it came. */
  talk(order: Omit<ProbeOrder, 'kind'> & { readonly intervalMs: number }, onTick: (count: number, atMs: number) => void): void;
  /** Leaves the process running when the demo ends. */
  leave(): void;
}

/** Starts a worker in the namespace at `netnsPath`, as this very program in another role. */
export function startWorker(netnsPath: string, name: string): Worker {
  const args = [`--net=${netnsPath}`, process.execPath, process.argv[1] ?? '', 'worker', name];
  // A group of its own: Ctrl-C in the terminal must not end it before the demo has cleaned up.
  const child = spawn('nsenter', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  const tell = (message: ToWorker): boolean => child.connected && child.send(message);
  const waiting = new Map<number, (outcome: ProbeOutcome) => void>();
  const ticks = new Map<number, (count: number, atMs: number) => void>();
  let served: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const listen = (message: FromWorker): void => {
    if (message.type === 'serving') served?.resolve();
    else if (message.type === 'tick') ticks.get(message.id)?.(message.count, message.atMs);
    else if (message.type === 'error') served?.reject(new Error(`${name}: ${message.message}`));
    else waiting.get(message.outcome.id)?.(message.outcome);
  };
  child.on('message', listen);
  child.on('exit', () => served?.reject(new Error(`the process in ${name} ended early`)));
  return {
    pid: child.pid ?? 0,
    serve: (order) => new Promise((resolve, reject) => {
      served = { resolve, reject };
      tell({ type: 'serve', serve: order });
    }),
    probe: (probe) => new Promise((resolve) => {
      waiting.set(probe.id, resolve);
      tell({ type: 'probe', probe });
    }),
    cancel: (id) => void tell({ type: 'cancel', id }),
    talk: (talk, onTick) => {
      ticks.set(talk.id, onTick);
      tell({ type: 'talk', talk });
    },
    leave: () => leave(child, tell),
    [Symbol.asyncDispose]: () => end(child),
  };
}

function leave(child: ChildProcess, tell: (message: ToWorker) => boolean): void {
  tell({ type: 'stay' });
  child.disconnect();
  child.unref();
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || !child.connected) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
  await gone;
  clearTimeout(timer);
}
