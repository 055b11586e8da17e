import { AgentApiError } from '@cilium-ts/agent-api';
import { CommanderError } from 'commander';
import type { Io } from './io.ts';
import { formatIssue } from './output/issue.ts';

/** A mistake in how the command was called, or in a file it was given. The message is all the user needs. */
export class CliError extends Error {
  override readonly name = 'CliError';
  /** Exit code of the command: 2 for a wrong call, 1 for everything else. */
  readonly exitCode: number;

  constructor(message: string, { exitCode = 1, cause }: { exitCode?: number; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

/** Tells the user what failed; returns the exit code. */
export function reportFailure(io: Io, error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has printed what was wrong about the call, or the help asked for
  if (io.interrupted.aborted) return 130;
  if (error instanceof AgentApiError) {
    for (const issue of error.issues) io.warn(formatIssue(issue));
    io.warn(`cilium: ${error.message}`);
    return 1;
  }
  if (error instanceof CliError) {
    io.warn(`cilium: ${error.message}`);
    return error.exitCode;
  }
  io.warn(`cilium: unexpected failure: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
}
