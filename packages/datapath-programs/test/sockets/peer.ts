import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What a command of peer.mjs answers: what it has of these. Addresses are `address|port`. */
export interface Answer {
  readonly handle?: number;
  /** Name of an errno, or `timeout`. */
  readonly error?: string;
  /** Who answered, by the address that it serves on. */
  readonly reply?: string;
  /** Where the answer came from, as recvmsg(2) says. */
  readonly from?: string;
  /** getpeername(2). */
  readonly peer?: string;
  readonly failures?: readonly string[];
}

const PEER = fileURLToPath(new URL('./peer.mjs', import.meta.url));

/** A process with sockets, in a network namespace and, if given, a cgroup. */
export class SocketPeer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #ready: Promise<Answer>;
  #last = 0;

  constructor(netns: string, cgroup?: string) {
    const enter = cgroup === undefined ? '' : `echo $$ > '${cgroup}/cgroup.procs' && `;
    this.#child = spawn('sh', ['-c', `ulimit -n 8192; ${enter}exec nsenter --net='${netns}' '${process.execPath}' '${PEER}'`], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ready = new Promise((resolve) => this.#waiting.set(0, resolve));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: Answer };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  /** Runs a command of peer.mjs. */
  async ask(command: string, details: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    await this.#ready;
    const id = ++this.#last;
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#child.stdin!.write(`${JSON.stringify({ id, command, ...details })}\n`);
    return answer;
  }

  /** Ends the process, and with it its sockets. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
