import type { AgentClient } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import type { Io } from './io.ts';
import type { OutputFormat } from './output/print.ts';

/** What a command works with: the terminal, the form of its output, and the agent. */
export interface Context {
  readonly io: Io;
  readonly format: OutputFormat;
  readonly socketPath: string;
}

interface GlobalOptions {
  readonly output: OutputFormat;
  readonly socketPath: string;
}

/** Context of the command that runs, from the options it shares with all others. */
export function contextOf(io: Io, command: Command): Context {
  const { output, socketPath } = command.optsWithGlobals<GlobalOptions>();
  return { io, format: output, socketPath };
}

/** Calls the agent and closes the connection, whatever happens. */
export async function withAgent<T>({ io, socketPath }: Context, use: (agent: AgentClient) => Promise<T>): Promise<T> {
  const agent = io.connect(socketPath);
  try {
    return await use(agent);
  } finally {
    await agent.close();
  }
}
