import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { Io } from '../io.ts';

interface CleanupOptions {
  readonly agent?: string;
  readonly stateDir?: string;
  readonly bpfRoot?: string;
  readonly configDir?: string;
}

/** `cilium cleanup`: works with no agent running, and therefore by the agent's own program, which refuses while one runs. */
export function addCleanup(program: Command, io: Io): void {
  program
    .command('cleanup')
    .description('remove everything that the agent of this network namespace put in place, and restore what it changed on the host; refused while the agent runs')
    .option('--agent <program>', "the agent's program, when it is not on the PATH")
    .option('--state-dir <path>', "the agent's state folder")
    .option('--bpf-root <path>', "the agent's bpffs folder")
    .option('--config-dir <path>', "the agent's configuration folder")
    .option('-f, --force', 'nothing is asked with or without it (Cilium has this flag)')
    .action(async ({ agent, stateDir, bpfRoot, configDir }: CleanupOptions, command: Command) => {
      const { socketPath } = contextOf(io, command);
      const given = Object.entries({ 'state-dir': stateDir, 'bpf-root': bpfRoot, 'config-dir': configDir, 'socket-path': socketPath });
      io.exit(await io.runAgent(agent, ['cleanup', ...given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]))]));
    });
}
