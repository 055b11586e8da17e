import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Where and how a command runs. */
export interface Place {
  /** Path of a network namespace; default: this process's own. */
  readonly netns?: string;
  /** The CPU it may use; default: any. */
  readonly cpu?: number;
  /** Folder of the cgroup that it runs in; default: this process's own. */
  readonly cgroup?: string;
  readonly signal?: AbortSignal;
}

/** Starts a command; its standard output is a pipe. */
export function start(command: readonly string[], { netns, cpu, cgroup, signal }: Place = {}): ChildProcess {
  const enter = netns === undefined ? [] : ['nsenter', `--net=${netns}`];
  const pin = cpu === undefined ? [] : ['taskset', '-c', String(cpu)];
  const join = cgroup === undefined ? [] : ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup];
  const [file = '', ...args] = [...join, ...enter, ...pin, ...command];
  return spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal === undefined ? {} : { signal }) });
}

/** Runs a command to its end. Resolves to its standard output; rejects with its standard error. */
export async function run(command: readonly string[], place: Place = {}): Promise<string> {
  const child = start(command, place);
  let [output, errors] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return output;
  throw new Error(`${command.join(' ')} failed (exit ${code}): ${errors.trim()}`);
}

/** Ends a process and waits until it is gone. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
