import type { Command } from 'commander';
import type { Io } from '../io.ts';

/** `cilium cleanup`: works with no agent running, and therefore by the agent's own program. */
export function addCleanup(program: Command, io: Io): void {
  program
    .command('cleanup')
    .description('remove everything the agent of this network namespace put in place, and restore what it changed on the host')
    .option('--agent <program>', "the agent's program, when it is not on the PATH")
    .option('--state-dir <path>', "the agent's state folder")
    .option('--bpf-root <path>', "the agent's bpffs folder")
    .option('--config-dir <path>', "the agent's configuration folder")
    .option('-f, --force', 'do it; without this the command only says what it would remove')
    .action(async ({ agent, force, stateDir, bpfRoot, configDir }: CleanupOptions) => {
      const flags = Object.entries({ '--state-dir': stateDir, '--bpf-root': bpfRoot, '--config-dir': configDir });
      const given = flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
      io.exit(await io.runAgent(agent, ['cleanup', ...given, ...(force ? [] : ['--dry-run'])]));
    });
}

interface CleanupOptions {
  readonly agent?: string;
  readonly force?: boolean;
  readonly stateDir?: string;
  readonly bpfRoot?: string;
  readonly configDir?: string;
}
