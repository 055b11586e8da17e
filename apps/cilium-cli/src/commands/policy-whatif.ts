import type { Identity } from '@cilium-ts/identity';
import { countChanges, describeFlow, groupChanges, identitiesOfRules, whatif, whatifJson, type ChangeGroup, type PolicyOptions, type PolicyResource, type Whatif, type WhatifCounts } from '@cilium-ts/policy-model';
import type { Command } from 'commander';
import { contextOf, withAgent, type Context } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { printValue } from '../output/print.ts';
import { addPolicySettings, noReferences, policyOptions, repositoryOf, type PolicySettings, type References } from '../policy-settings.ts';
import { heldIdentities, heldOptions, heldPolicies, heldReferences, readFlows, readIdentities, readPolicies } from '../policy-sources.ts';
import { servicesOf } from '../service-files.ts';

interface WhatifOptions extends PolicySettings {
  readonly proposed: string[];
  readonly current: string[];
  readonly identities?: string;
  readonly services?: string;
  readonly flows?: string;
  readonly failOn?: string;
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** What `--fail-on` may name, and when it is so. */
const CAUSES: Readonly<Record<string, (counts: WhatifCounts) => boolean>> = {
  opens: ({ opens, flowsOpened }) => opens + flowsOpened > 0,
  closes: ({ closes, flowsClosed }) => closes + flowsClosed > 0,
  alters: ({ alters }) => alters > 0,
  flows: ({ flowsOpened, flowsClosed }) => flowsOpened + flowsClosed > 0,
  any: ({ opens, closes, alters, flowsOpened, flowsClosed }) => opens + closes + alters + flowsOpened + flowsClosed > 0,
};

/** `cilium policy whatif --proposed DIR`: needs no agent with `--current`. */
export function addPolicyWhatif(policy: Command, io: Io): void {
  const command = policy
    .command('whatif')
    .description('what replacing all policies by the proposed ones would open and close, between whom, by which rule, and which recorded flows; exit 1 for what --fail-on names')
    .option('--proposed <path>', 'a file or folder of the policies to come; may be repeated', collect, [])
    .option('--current <path>', 'a file or folder of the policies in force; may be repeated; without it those of the agent', collect, [])
    .option('--identities <file>', 'identities, endpoints or pods; without it those of the agent, or with --current those that the rules speak of')
    .option('--services <file>', 'Kubernetes Services (and the EndpointSlices of those without a selector); without it those of the agent, or with --current none')
    .option('--flows <file>', 'recorded flows: of hubble observe -o jsonpb, of cilium monitor -o json, or one {from, to, protocol, port} a line')
    .option('--fail-on <causes>', `what fails the command, separated by commas: ${Object.keys(CAUSES).join(', ')}`);
  addPolicySettings(command).action(async (options: WhatifOptions, self: Command) => {
    const context = contextOf(io, self);
    const causes = readCauses(options.failOn);
    if (options.proposed.length === 0) throw new CliError('policy whatif: name the policies to come with --proposed', { exitCode: 2 });
    const proposed = readPolicies(io, options.proposed, 'policy whatif');
    const { settings, current, identities, references } = await currentState(context, options, proposed);
    const flows = options.flows === undefined ? [] : readFlows(io, options.flows, settings.clusterName);
    const result = whatif({ before: repositoryOf(current, references), after: repositoryOf(proposed, references), identities, flows, options: settings });
    printValue(io, context.format, whatifJson(result, settings), () => describe(result, settings));
    const counts = countChanges(result);
    if (causes.some((cause) => CAUSES[cause]!(counts)) || result.problems.length > 0) io.exit(1);
  });
}

function readCauses(text: string | undefined): readonly string[] {
  const causes = (text ?? '').split(',').filter((cause) => cause !== '');
  const odd = causes.find((cause) => !Object.hasOwn(CAUSES, cause));
  if (odd !== undefined) throw new CliError(`--fail-on: "${odd}" is none of ${Object.keys(CAUSES).join(', ')}`, { exitCode: 2 });
  return causes;
}

interface CurrentState {
  readonly settings: PolicyOptions;
  readonly current: readonly PolicyResource[];
  readonly identities: readonly Identity[];
  readonly references: References;
}

/** The policies in force, how, who is there and what rules refer to: from files, or from the agent. */
async function currentState(context: Context, options: WhatifOptions, proposed: readonly PolicyResource[]): Promise<CurrentState> {
  const { io } = context;
  const given = ({ clusterName }: PolicyOptions) => (options.identities === undefined ? undefined : readIdentities(io, options.identities, clusterName));
  const services = options.services === undefined ? undefined : servicesOf(io, options.services);
  if (options.current.length === 0) {
    return await withAgent(context, async (agent) => {
      const current = await heldPolicies(agent);
      const settings = policyOptions(options, await heldOptions(agent));
      return { settings, current, identities: given(settings) ?? (await heldIdentities(agent)), references: services ?? (await heldReferences(agent)) };
    });
  }
  const settings = policyOptions(options);
  const current = readPolicies(io, options.current, 'policy whatif');
  return { settings, current, identities: given(settings) ?? identitiesOfRules([...current, ...proposed], settings), references: services ?? noReferences };
}

const TITLES: Readonly<Record<ChangeGroup['kind'], string>> = { opens: 'OPENS', closes: 'CLOSES', alters: 'ALTERS (what a proxy lets pass)' };
/** More pairs of one change than this are counted. */
const MAX_PAIRS = 12;

function describe(result: Whatif, settings: PolicyOptions): string[] {
  const counts = countChanges(result);
  const problems = result.problems.map(({ end, message }) => `LOCKED DOWN: ${end.name}: ${message}`);
  const groups = groupChanges(result.changes).flatMap((group) => [...describeGroup(group), '']);
  const flows = result.flows.flatMap((change) => {
    const side = change.kind === 'opens' ? change.before : change.after;
    return [`FLOW ${TITLES[change.kind]} ${describeFlow(change, settings)}`, ...side.text.split('\n').filter((line) => /^(?:in|e)gress of .*: denied/.test(line) || line.startsWith('  closed by')).map((line) => `  ${line.trim()}`)];
  });
  const unknown = counts.flowsUnknown === 0 ? '' : `, ${counts.flowsUnknown} whose ends are not known`;
  const recorded = counts.flowsOpened + counts.flowsClosed + counts.flowsUnchanged + counts.flowsUnknown;
  const flowSummary = recorded === 0 ? [] : [`recorded flows: ${counts.flowsOpened} would open, ${counts.flowsClosed} would close, ${counts.flowsUnchanged} stay${unknown}`];
  const summary = counts.opens + counts.closes + counts.alters === 0 ? 'reachability: nothing changes' : `reachability: ${counts.opens} pairs open, ${counts.closes} close, ${counts.alters} are altered`;
  return [...problems, ...groups, ...flows, ...(flows.length > 0 ? [''] : []), summary, ...flowSummary];
}

function describeGroup({ kind, text, before, after, pairs }: ChangeGroup): string[] {
  const shown = pairs.slice(0, MAX_PAIRS).map(({ from, to }) => `  ${from} -> ${to}`);
  const more = pairs.length > MAX_PAIRS ? [`  and ${pairs.length - MAX_PAIRS} more pairs`] : [];
  return [`${TITLES[kind]} ${text}`, ...shown, ...more, `    before: ${before}`, `    after:  ${after}`];
}
