import { identitiesOfRules, matrix, matrixDot, matrixJson, matrixLines, matrixMermaid, summarizeMatrix, type MatrixRequest, type PolicyOptions, type ReachMatrix } from '@cilium-ts/policy-model';
import type { Command } from 'commander';
import { pictureContextOf, withAgent, type PictureContext } from '../context.ts';
import type { Io } from '../io.ts';
import { printValue } from '../output/print.ts';
import { table } from '../output/table.ts';
import { addPolicySettings, policyOptions, repositoryOf, type PolicySettings } from '../policy-settings.ts';
import { heldIdentities, heldOptions, heldPolicies, heldReferences, readIdentities, readPolicies } from '../policy-sources.ts';
import { servicesOf } from '../service-files.ts';

interface MatrixOptions extends PolicySettings {
  readonly identities?: string;
  readonly services?: string;
}

/** `cilium policy matrix [PATH…]`: needs no agent where files are given. */
export function addPolicyMatrix(policy: Command, io: Io): void {
  const command = policy
    .command('matrix [path...]')
    .description('who may open connections to whom, on what: between all known endpoints, the nodes and the world; of files and folders, or of the agent (-o dot and -o mermaid draw it)')
    .option('--identities <file>', 'identities, endpoints or pods; without it those of the agent, or with files those that the rules speak of')
    .option('--services <file>', 'Kubernetes Services (and the EndpointSlices of those without a selector); without it those of the agent, or with files none');
  addPolicySettings(command).action(async (paths: string[], options: MatrixOptions, self: Command) => {
    const context = pictureContextOf(io, self);
    const asked = matrix(await requestOf(context, paths, options));
    for (const { end, message } of asked.problems) io.warn(`cilium: ${end.name}: ${message}`);
    print(context, asked);
  });
}

async function requestOf(context: PictureContext, paths: readonly string[], settings: MatrixOptions): Promise<MatrixRequest> {
  const { io } = context;
  const given = ({ clusterName }: PolicyOptions) => (settings.identities === undefined ? undefined : readIdentities(io, settings.identities, clusterName));
  const services = settings.services === undefined ? undefined : servicesOf(io, settings.services);
  if (paths.length > 0) {
    const options = policyOptions(settings);
    const resources = readPolicies(io, paths, 'policy matrix');
    return { repository: repositoryOf(resources, services), identities: given(options) ?? identitiesOfRules(resources, options), options };
  }
  return await withAgent(context, async (agent) => {
    const resources = await heldPolicies(agent);
    const options = policyOptions(settings, await heldOptions(agent));
    return { repository: repositoryOf(resources, services ?? (await heldReferences(agent))), identities: given(options) ?? (await heldIdentities(agent)), options };
  });
}

function print({ io, format }: PictureContext, asked: ReachMatrix): void {
  if (format === 'dot') return io.print(matrixDot(summarizeMatrix(asked)));
  if (format === 'mermaid') return io.print(matrixMermaid(summarizeMatrix(asked)));
  if (format !== 'table') return printValue(io, format, matrixJson(asked), () => []);
  const lines = table(
    [
      { heading: 'From', cell: ({ from }) => from.join('\n') },
      { heading: 'To', cell: ({ to }) => to.join('\n') },
      { heading: 'May open', cell: ({ text }) => text },
    ],
    matrixLines(summarizeMatrix(asked)),
  );
  for (const line of lines) io.print(line);
}
