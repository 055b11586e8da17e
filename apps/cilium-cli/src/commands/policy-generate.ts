import { parseCidr, type Cidr } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { generate, type FlowRecord, type Generated, type GeneratedKind, type KnownIdentity } from '@cilium-ts/policy-model';
import { Option, type Command } from 'commander';
import { contextOf, withAgent, type Context } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { formatIssue } from '../output/issue.ts';
import { heldIdentities, readFlows, readIdentities } from '../policy-sources.ts';

interface GenerateOptions {
  readonly flows: string;
  readonly kind: GeneratedKind;
  readonly identities?: string;
  readonly agent?: boolean;
  readonly l7?: boolean;
  readonly names: boolean;
  readonly world: 'exact' | 'entity';
  readonly worldPrefix: string[];
  readonly includeDenied?: boolean;
  readonly clusterName: string;
}

/** `cilium policy generate --flows FILE`: needs no agent. */
export function addPolicyGenerate(policy: Command, io: Io): void {
  policy
    .command('generate')
    .description('the tightest policies that allow recorded flows and nothing else, as YAML; exit 1 when they do not allow all of them')
    .requiredOption('--flows <file>', 'flows as JSON lines: of hubble observe -o jsonpb, of cilium monitor -o json, or in the form that the README describes (- is standard input)')
    .addOption(new Option('--kind <kind>', 'what to write').choices(['cnp', 'netpol']).default('cnp'))
    .option('--identities <file>', 'everybody there is: told apart, and closed even without flows')
    .option('--agent', 'take the identities that the agent knows')
    .option('--l7', 'limit HTTP and DNS to the recorded requests')
    .option('--no-names', 'select addresses outside by their address, even where DNS names are recorded')
    .addOption(new Option('--world <how>', 'how to select addresses outside: each by itself, or all of them').choices(['exact', 'entity']).default('exact'))
    .option('--world-prefix <prefix>', 'select addresses in this prefix together; may be repeated', (value: string, before: string[]) => [...before, value], [])
    .option('--include-denied', 'allow what was denied when it was recorded, too')
    .option('--cluster-name <name>', 'name of the cluster that the endpoints are in', 'default')
    .action(async (options: GenerateOptions, command: Command) => {
      const context = contextOf(io, command);
      const { kind, clusterName, l7 = false, names, includeDenied = false } = options;
      const world = worldOf(options);
      const flows = readFlows(io, options.flows, clusterName);
      const identities = await identitiesOf(context, options);
      const result = generate({ flows, identities, kind, clusterName, l7, names, world, includeDenied });
      print(io, context, result, flows);
    });
}

function worldOf({ world, worldPrefix }: GenerateOptions): 'exact' | 'entity' | readonly Cidr[] {
  const prefixes = worldPrefix.map((text) => {
    const prefix = parseCidr(text);
    if (prefix === undefined) throw new CliError(`--world-prefix: "${text}" is not a prefix such as 192.0.2.0/24`, { exitCode: 2 });
    return prefix;
  });
  if (prefixes.length > 0 && world === 'entity') throw new CliError('--world entity and --world-prefix exclude each other', { exitCode: 2 });
  return prefixes.length > 0 ? prefixes : world;
}

async function identitiesOf(context: Context, options: GenerateOptions): Promise<readonly KnownIdentity[]> {
  const given = options.identities === undefined ? [] : readIdentities(context.io, options.identities, options.clusterName);
  const held: readonly Identity[] = options.agent === true ? await withAgent(context, heldIdentities) : [];
  return [...given, ...held];
}

/** Policies on standard output, what is to be said of them on standard error. */
function print(io: Io, { format }: Context, result: Generated, flows: readonly FlowRecord[]): void {
  const { yaml, resources, issues, notes, denied } = result;
  for (const issue of issues) io.warn(formatIssue(issue));
  for (const { message, flows: count, at } of notes) {
    const place = at === undefined ? '' : ` (${count} ${count === 1 ? 'flow' : 'flows'}, first ${at.file ?? 'in line'}${at.file === undefined ? ' ' : ':'}${at.line})`;
    io.warn(`note: ${message}${place}`);
  }
  if (format === 'json') io.print(JSON.stringify({ policies: resources.map(({ document }) => document), notes, denied: denied.map(({ at }) => at) }, null, 2));
  else if (yaml === '') io.warn('no flow gives rise to a policy');
  else io.print(yaml.trimEnd());
  if (denied.length > 0) io.warn(`cilium: ${denied.length} of ${flows.length} flows are not allowed by these policies, the first in ${denied[0]!.at.file ?? 'the input'}:${denied[0]!.at.line}`);
  if (denied.length > 0 || issues.some(({ severity }) => severity === 'error')) io.exit(1);
}
