import { parseCidr } from '@cilium-ts/core';
import { DEFAULT_POLICY_OPTIONS, formatFinding, lint, type EnforcementMode, type Finding, type FindingSeverity, type LintRequest } from '@cilium-ts/policy-model';
import { Option, type Command } from 'commander';
import { contextOf, withAgent, type Context } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { printValue } from '../output/print.ts';
import { heldIdentities, heldPolicies, readIdentities, readPolicies } from '../policy-sources.ts';

interface LintOptions {
  readonly identities?: string;
  readonly clusterCidr: string[];
  readonly failOn: FindingSeverity | 'never';
  readonly enablePolicy: EnforcementMode;
  readonly clusterName: string;
}

const RANK: Readonly<Record<LintOptions['failOn'], number>> = { info: 0, warning: 1, error: 2, never: 3 };

/** `cilium policy lint [PATH…]`: needs no agent where files are given. */
export function addPolicyLint(policy: Command, io: Io): void {
  policy
    .command('lint [path...]')
    .description('what is questionable about valid policies, of files and folders taken together, or of the agent; exit 1 for findings as bad as --fail-on')
    .option('--identities <file>', 'identities, endpoints or pods: then also selectors that select nobody are found')
    .option('--cluster-cidr <prefix>', 'addresses of pods and nodes, which prefixes do not select; may be repeated', (value: string, before: string[]) => [...before, value], [])
    .addOption(new Option('--fail-on <severity>', 'the least severity that fails the command').choices(['info', 'warning', 'error', 'never']).default('error'))
    .addOption(new Option('--enable-policy <mode>', 'how the agent enforces policies').choices(['default', 'always', 'never']).default('default'))
    .option('--cluster-name <name>', 'name of the cluster that the endpoints are in', 'default')
    .action(async (paths: string[], options: LintOptions, command: Command) => {
      const context = contextOf(io, command);
      const findings = lint(await requestOf(context, paths, options));
      const offline = paths.length > 0;
      printValue(io, context.format, findings, () => describe(findings, offline));
      if (findings.some(({ severity }) => RANK[severity] >= RANK[options.failOn])) io.exit(1);
    });
}

async function requestOf(context: Context, paths: readonly string[], options: LintOptions): Promise<LintRequest> {
  const { io } = context;
  const { enablePolicy, clusterName } = options;
  const shared = {
    clusterPrefixes: options.clusterCidr.map((text) => {
      const prefix = parseCidr(text);
      if (prefix === undefined) throw new CliError(`--cluster-cidr: "${text}" is not a prefix such as 10.0.0.0/8`, { exitCode: 2 });
      return prefix;
    }),
    options: { ...DEFAULT_POLICY_OPTIONS, enforcement: enablePolicy, clusterName },
    ...(options.identities === undefined ? {} : { identities: readIdentities(io, options.identities, clusterName) }),
  };
  if (paths.length > 0) return { ...shared, resources: readPolicies(io, paths, 'policy lint') };
  return await withAgent(context, async (agent) => {
    const resources = await heldPolicies(agent);
    return { identities: await heldIdentities(agent), ...shared, resources };
  });
}

function describe(findings: readonly Finding[], offline: boolean): string[] {
  const count = (wanted: FindingSeverity): string => {
    const number = findings.filter(({ severity }) => severity === wanted).length;
    return `${number} ${wanted}${wanted === 'info' || number === 1 ? '' : 's'}`;
  };
  const summary = findings.length === 0 ? 'nothing to say' : `${count('error')}, ${count('warning')}, ${count('info')}`;
  return [...findings.map((finding) => (offline ? formatFinding(finding) : withoutLine(finding))), summary];
}

/** The agent's documents have no lines. */
function withoutLine({ severity, resource, field, message, remedy, code }: Finding): string {
  return `${severity}: ${resource}${field === '' ? '' : ` ${field}`}: ${message} (${remedy}) [${code}]`;
}
