import { errorMessage } from '@cilium-ts/core';
import { writeSync } from 'node:fs';
import process from 'node:process';
import { helpText, parseCommandLine } from './config/command-line.ts';
import type { CommandLine } from './config/command-line.ts';
import { loadConfig } from './config/load-config.ts';
import type { Config } from './config/load-config.ts';
import { createLogger } from './log/logger.ts';
import { VERSION } from './version.ts';

/** How long an orderly stop may take (milliseconds). The datapath stays in force whether it is orderly or not. */
const STOP_MS = 3000;
const STDOUT = 1;
const STDERR = 2;

const print = (text: string): void => { writeSync(STDOUT, text); };

const fail = (error: unknown): void => {
  writeSync(STDERR, `cilium-agent: ${errorMessage(error)}\n`);
  process.exitCode = 1;
};

const loggerFor = ({ values }: Config) => createLogger({ format: values['log-format'], debug: values.debug, write: (line) => { writeSync(STDERR, line); } });

const run = async (config: Config): Promise<void> => {
  const logger = loggerFor(config);
  for (const warning of config.warnings) logger.warn({}, warning);
  process.on('unhandledRejection', (error) => { logger.error({ error: errorMessage(error) }, 'unexpected failure'); });
  const { startAgent } = await import('./start-agent.ts');
  let stopping = false;
  const started = startAgent(config, logger);
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'stopping; the datapath stays in force');
    setTimeout(() => process.exit(0), STOP_MS).unref();
    void started.then((agent) => agent.stop()).catch((error: unknown) => { logger.error({ error: errorMessage(error) }, 'did not stop cleanly'); }).finally(() => process.exit(0));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => { stop(signal); });
  await started;
};

const commands: Readonly<Record<CommandLine['command'], (line: CommandLine) => Promise<void> | void>> = {
  help: () => { print(helpText()); },
  version: () => { print(`cilium-agent ${VERSION}\n`); },
  async openapi() {
    const { openApiDocument } = await import('@cilium-ts/agent-api');
    print(`${JSON.stringify(openApiDocument(VERSION), undefined, 2)}\n`);
  },
  run: ({ flags, configDir }) => run(loadConfig({ flags, configDir, environment: process.env })),
  async cleanup({ flags, configDir }) {
    const config = loadConfig({ flags, configDir, environment: process.env });
    const { cleanup } = await import('./cleanup.ts');
    await cleanup(config.values, loggerFor(config));
  },
};

try {
  const line = parseCommandLine(process.argv.slice(2));
  await commands[line.command](line);
} catch (error) {
  fail(error);
  // Handles may be open that nobody closes any more.
  process.exit();
}
