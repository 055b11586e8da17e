import type { Policy, PolicyChange, PolicyKind } from '@cilium-ts/agent-api';
import { PolicyKind as PolicyKinds } from '@cilium-ts/agent-api';
import { Argument, type Command } from 'commander';
import { stringify } from 'yaml';
import { contextOf, withAgent } from '../context.ts';
import { CliError } from '../failure.ts';
import type { Io } from '../io.ts';
import { formatIssue } from '../output/issue.ts';
import { printValue } from '../output/print.ts';
import { table } from '../output/table.ts';
import { addPolicyGenerate } from './policy-generate.ts';
import { addPolicyLint } from './policy-lint.ts';
import { addPolicyMatrix } from './policy-matrix.ts';
import { addPolicyTrace } from './policy-trace.ts';
import { addPolicyValidate } from './policy-validate.ts';
import { addPolicyWhatif } from './policy-whatif.ts';

/** `cilium policy import|delete|get|validate|trace|lint|matrix|whatif|generate`. */
export function addPolicy(program: Command, io: Io): void {
  const policy = program.command('policy').description('network policies: of Cilium, of Kubernetes, and of its network policy API');
  addImport(policy, io);
  addDelete(policy, io);
  addGet(policy, io);
  addPolicyValidate(policy, io);
  addPolicyTrace(policy, io);
  addPolicyLint(policy, io);
  addPolicyMatrix(policy, io);
  addPolicyWhatif(policy, io);
  addPolicyGenerate(policy, io);
}

function addImport(policy: Command, io: Io): void {
  policy
    .command('import <file...>')
    .description('hand policies to the agent, file by file, each whole or not at all; returns when they are in force (- is standard input)')
    .action(async (files: string[], _options, command: Command) => {
      const context = contextOf(io, command);
      const texts = files.flatMap((file) => io.policyFiles(file)).map((file) => ({ file, text: io.read(file) }));
      const changes = await withAgent(context, async (agent) => {
        const results: PolicyChange[] = [];
        for (const { file, text } of texts) results.push(await agent.importPolicy(text, { file }));
        return results;
      });
      report(io, changes);
      printValue(io, context.format, changes, () => changes.flatMap(({ resources, revision }) => resources.map((key) => `${key} imported, revision ${revision}`)));
    });
}

function addDelete(policy: Command, io: Io): void {
  policy
    .command('delete')
    .description('take an imported policy back (one that came from the policy folder is deleted there)')
    .addArgument(new Argument('<kind>', 'kind of the resource').choices(PolicyKinds.options))
    .argument('<name>', 'its name, with its namespace before it where it has one: NAMESPACE/NAME')
    .action(async (kind: PolicyKind, name: string, _options, command: Command) => {
      const context = contextOf(io, command);
      const parts = name.split('/');
      if (parts.length > 2 || parts.includes('')) throw new CliError(`policy delete: "${name}" is not NAME or NAMESPACE/NAME`, { exitCode: 2 });
      const [own, namespace] = parts.reverse();
      const change = await withAgent(context, (agent) => agent.deletePolicy({ kind, name: own!, ...(namespace === undefined ? {} : { namespace }) }));
      report(io, [change]);
      printValue(io, context.format, change, () => change.resources.map((key) => `${key} deleted, revision ${change.revision}`));
    });
}

/** What the change could not do is said, and fails the command. */
function report(io: Io, changes: readonly PolicyChange[]): void {
  for (const { issues, failures } of changes) {
    for (const issue of issues) io.warn(formatIssue(issue));
    for (const failure of failures) io.warn(`cilium: endpoint ${failure['endpoint-id']}: ${failure.reason}: ${failure.message}`);
    if (failures.length > 0) io.exit(1);
  }
}

function addGet(policy: Command, io: Io): void {
  policy
    .command('get [name]')
    .description('policies that the agent holds; with a name (KIND/NAMESPACE/NAME, NAMESPACE/NAME or NAME) the document as written')
    .action(async (name: string | undefined, _options, command: Command) => {
      const context = contextOf(io, command);
      const held = await withAgent(context, (agent) => agent.getPolicy());
      if (name === undefined) return printValue(io, context.format, held, () => overview(held));
      const documents = held.resources.filter(({ key }) => key === name || key.endsWith(`/${name}`)).map(({ document }) => document);
      if (documents.length === 0) throw new CliError(`policy get: the agent holds no policy ${name}`);
      if (context.format === 'json') io.print(JSON.stringify(documents, null, 2));
      else io.print(documents.map((document) => stringify(document).trimEnd()).join('\n---\n'));
    });
}

function overview(held: Policy): string[] {
  const rows = table(
    [
      { heading: 'Kind', cell: ({ kind }) => kind },
      { heading: 'Namespace', cell: ({ namespace }) => namespace },
      { heading: 'Name', cell: ({ name }) => name },
      { heading: 'Source', cell: ({ source, file }) => file ?? source },
      { heading: 'Status', cell: ({ status }) => status },
    ],
    held.resources,
  );
  const broken = held.files.filter(({ status }) => status !== 'accepted');
  return [`Revision: ${held.revision} (in force everywhere: ${held['realized-revision']})`, '', ...rows, ...broken.flatMap(({ path, status, issues }) => ['', `${path}: ${status}`, ...issues.map(formatIssue)])];
}
