import type { AgentClient } from '@cilium-ts/agent-api';

/** What a command may touch. Tests hand in their own. */
export interface Io {
  /** Writes one line to standard output. */
  print(line: string): void;
  /** Writes one line to standard error. */
  warn(line: string): void;
  /** Whether people read standard output, so that colours help. */
  readonly colours: boolean;
  /** A client of the agent behind the socket. The command closes it. */
  connect(socketPath: string): AgentClient;
  /** Reads a file, or standard input for `-`. Throws {@link CliError}. */
  read(path: string): string;
  /** The YAML and JSON files in a folder (as an agent reads it: not those of folders within), sorted, or the path itself when it is a file. Throws {@link CliError}. */
  policyFiles(path: string): string[];
  /** Runs the agent's program with its output on this terminal; resolves to its exit code. */
  runAgent(program: string | undefined, args: readonly string[]): Promise<number>;
  /** Aborted when the user has had enough. */
  readonly interrupted: AbortSignal;
  /** Socket used when `--socket-path` is not given. */
  readonly defaultSocketPath: string;
  /** Ends the command with this code after its output is written. */
  exit(code: number): void;
}
