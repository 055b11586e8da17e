import { Command, Option } from 'commander';
import { addBpf } from './commands/bpf.ts';
import { addCleanup } from './commands/cleanup.ts';
import { addConfig } from './commands/config.ts';
import { addEndpoint } from './commands/endpoint.ts';
import { addIdentity } from './commands/identity.ts';
import { addMonitor } from './commands/monitor.ts';
import { addPolicy } from './commands/policy.ts';
import { addPrefilter } from './commands/prefilter.ts';
import { addService } from './commands/service.ts';
import { addStatus } from './commands/status.ts';
import type { Io } from './io.ts';
import { outputFormats, pictureFormats } from './output/print.ts';

/** The whole command line. Nothing runs before `parseAsync`. */
export function createProgram(io: Io): Command {
  const program = new Command('cilium')
    .description('Looks into and steers a cilium-agent; checks and explains policies without one.')
    .addOption(new Option('-H, --socket-path <path>', "the agent's socket").default(io.defaultSocketPath))
    .addOption(new Option('-o, --output <format>', 'form of the output').choices([...outputFormats, ...pictureFormats]).default('table'))
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.print(text.trimEnd()), writeErr: (text) => io.warn(text.trimEnd()) })
    .showHelpAfterError('(see --help)');
  for (const add of [addStatus, addEndpoint, addIdentity, addPolicy, addService, addPrefilter, addBpf, addMonitor, addConfig, addCleanup]) add(program, io);
  return program;
}
