import type { AgentClient } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import type { Io } from './io.ts';
import { CliError } from './failure.ts';
import { pictureFormats, type OutputFormat, type PictureFormat } from './output/print.ts';

/** What a command works with: the terminal, the form of its output, and the agent. */
export interface Context {
  readonly io: Io;
  readonly format: OutputFormat;
  readonly socketPath: string;
}

/** {@link Context} of a command that can draw its result too. */
export interface PictureContext extends Omit<Context, 'format'> {
  readonly format: OutputFormat | PictureFormat;
}

interface GlobalOptions {
  readonly output: OutputFormat | PictureFormat;
  readonly socketPath: string;
}

/** Context of the command that runs, from the options it shares with all others. Throws {@link CliError} where a picture is asked for. */
export function contextOf(io: Io, command: Command): Context {
  const context = pictureContextOf(io, command);
  const { format } = context;
  if (isPicture(format)) throw new CliError(`-o ${format}: this command has no picture; use table, json or yaml`, { exitCode: 2 });
  return { ...context, format };
}

/** The same for a command that draws. */
export function pictureContextOf(io: Io, command: Command): PictureContext {
  const { output, socketPath } = command.optsWithGlobals<GlobalOptions>();
  return { io, format: output, socketPath };
}

const isPicture = (format: OutputFormat | PictureFormat): format is PictureFormat => (pictureFormats as readonly string[]).includes(format);

/** Calls the agent and closes the connection, whatever happens. */
export async function withAgent<T>({ io, socketPath }: Pick<Context, 'io' | 'socketPath'>, use: (agent: AgentClient) => Promise<T>): Promise<T> {
  const agent = io.connect(socketPath);
  try {
    return await use(agent);
  } finally {
    await agent.close();
  }
}
