import { DEFAULT_POLICY_OPTIONS, createPolicyRepository, type EnforcementMode, type PolicyDirectory, type PolicyOptions, type PolicyRepository, type PolicyResource } from '@cilium-ts/policy-model';
import { Option, type Command } from 'commander';

/** How the agent in question enforces policies, as the command line says it. What it does not say is the agent's, or an agent's without settings. */
export interface PolicySettings {
  readonly enablePolicy?: EnforcementMode;
  readonly allowLocalhost?: boolean;
  readonly clusterName?: string;
}

/** Adds the options of {@link PolicySettings} to a command. */
export function addPolicySettings(command: Command): Command {
  return command
    .addOption(new Option('--enable-policy <mode>', "how the agent enforces policies (the agent's own setting; of files: default)").choices(['default', 'always', 'never']))
    .option('--allow-localhost', "the node may always reach its endpoints (the agent's own setting; of files: it may not)")
    .option('--no-allow-localhost', 'policies decide what the node may reach')
    .option('--cluster-name <name>', "name of the cluster that the endpoints are in (the agent's own setting; of files: default)");
}

/** The settings as the model takes them, over those of an agent. */
export function policyOptions({ enablePolicy, allowLocalhost, clusterName }: PolicySettings, agent: PolicyOptions = DEFAULT_POLICY_OPTIONS): PolicyOptions {
  return {
    ...agent,
    ...(enablePolicy !== undefined && { enforcement: enablePolicy }),
    ...(allowLocalhost !== undefined && { allowLocalhost }),
    ...(clusterName !== undefined && { clusterName }),
  };
}

/** Tells a directory what rules refer to. */
export type References = (directory: PolicyDirectory) => void;

/** Rules refer to nothing that is known. */
export const noReferences: References = () => undefined;

/** A repository of just these. */
export function repositoryOf(resources: Iterable<PolicyResource>, references: References = noReferences): PolicyRepository {
  const repository = createPolicyRepository();
  references(repository.directory);
  repository.replaceAll(resources);
  return repository;
}
