import { createAgentClient } from '@cilium-ts/agent-api';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from './failure.ts';
import type { Io } from './io.ts';

const policyFile = /\.(ya?ml|json)$/i;

/** The terminal, the files and the agents of this machine. */
export function systemIo(): Io {
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort());
  // `cilium monitor | head` closes our output: that is the end of the command, not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    warn: (line) => void process.stderr.write(`${line}\n`),
    colours: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    connect: (socketPath) => createAgentClient({ socketPath }),
    read: readText,
    policyFiles,
    runAgent,
    interrupted: interruption.signal,
    defaultSocketPath: process.env.CILIUM_SOCKET_PATH ?? '/var/run/cilium/cilium.sock',
    exit: (code) => {
      process.exitCode = code;
    },
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new CliError(`read ${path}: ${message(cause)}`, { cause });
  }
}

function policyFiles(path: string): string[] {
  if (path === '-') return [path];
  try {
    if (!statSync(path).isDirectory()) return [path];
    const files = readdirSync(path).filter((name) => policyFile.test(name)).sort();
    if (files.length === 0) throw new Error('the folder holds no .yaml, .yml or .json file');
    return files.map((name) => join(path, name));
  } catch (cause) {
    throw new CliError(`read ${path}: ${message(cause)}`, { cause });
  }
}

/** The agent is found beside this program in a checkout, and on the PATH otherwise. */
function runAgent(program: string | undefined, args: readonly string[]): Promise<number> {
  const beside = new URL('../../cilium-agent/dist/main.js', import.meta.url).pathname;
  const [command, ...first] = program !== undefined ? [program] : existsSync(beside) ? [process.execPath, beside] : ['cilium-agent'];
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...first, ...args], { stdio: 'inherit' });
    child.on('error', (cause) => reject(new CliError(`start ${command}: ${cause.message}. Name the agent's program with --agent.`, { cause })));
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
