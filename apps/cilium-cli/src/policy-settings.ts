import { DEFAULT_POLICY_OPTIONS, createPolicyRepository, type EnforcementMode, type PolicyOptions, type PolicyRepository, type PolicyResource } from '@cilium-ts/policy-model';
import { Option, type Command } from 'commander';

/** How the agent in question enforces policies, as the command line says it. */
export interface PolicySettings {
  readonly enablePolicy: EnforcementMode;
  readonly allowLocalhost?: boolean;
  readonly clusterName: string;
}

/** Adds the options of {@link PolicySettings} to a command. */
export function addPolicySettings(command: Command): Command {
  return command
    .addOption(new Option('--enable-policy <mode>', 'how the agent enforces policies').choices(['default', 'always', 'never']).default('default'))
    .option('--allow-localhost', 'the node may always reach its endpoints')
    .option('--cluster-name <name>', 'name of the cluster that the endpoints are in', 'default');
}

/** The settings as the model takes them. */
export function policyOptions({ enablePolicy, allowLocalhost = false, clusterName }: PolicySettings): PolicyOptions {
  return { ...DEFAULT_POLICY_OPTIONS, enforcement: enablePolicy, allowLocalhost, clusterName };
}

/** A repository of just these. */
export function repositoryOf(resources: Iterable<PolicyResource>): PolicyRepository {
  const repository = createPolicyRepository();
  repository.replaceAll(resources);
  return repository;
}
