import type { Issue } from '@cilium-ts/agent-api';
import { checkEnforceable, DATAPATH_FEATURES, parsePolicies } from '@cilium-ts/policy-model';
import type { Command } from 'commander';
import { contextOf } from '../context.ts';
import type { Io } from '../io.ts';
import { formatIssue } from '../output/issue.ts';
import { printValue } from '../output/print.ts';

/** `cilium policy validate FILE…`: needs no agent and no root. */
export function addPolicyValidate(policy: Command, io: Io): void {
  policy
    .command('validate <path...>')
    .description('check policy files, or every file of a folder; exit 1 when an agent would refuse one (- is standard input)')
    .action((paths: string[], _options, command: Command) => {
      const { format } = contextOf(io, command);
      const reports = paths.flatMap((path) => io.policyFiles(path)).map((file) => validate(io, file));
      const errors = reports.flatMap(({ issues }) => issues).filter(({ severity }) => severity === 'error');
      printValue(io, format, reports, () => reports.flatMap(describe));
      if (errors.length > 0) io.exit(1);
    });
}

interface Report {
  readonly file: string;
  readonly resources: readonly string[];
  readonly issues: readonly Issue[];
}

function validate(io: Io, file: string): Report {
  const { resources, issues } = parsePolicies(io.read(file), { file });
  return { file, resources: resources.map(({ key }) => key), issues: [...issues, ...checkEnforceable(resources, DATAPATH_FEATURES)] };
}

function describe({ file, resources, issues }: Report): string[] {
  const errors = issues.filter(({ severity }) => severity === 'error').length;
  const verdict = errors > 0 ? `${errors} ${errors === 1 ? 'error' : 'errors'}` : `valid: ${resources.join(', ') || 'no policy in it'}`;
  return [...issues.map(formatIssue), `${file}: ${verdict}`];
}
