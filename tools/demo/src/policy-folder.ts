import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPolicyRepository, formatIssue, parsePolicies, type PolicyRepository, type PolicyResource } from '@cilium-ts/policy-model';

/** The folder that the agent watches, and beside it the policy model's own view of the same files. */
export interface PolicyFolder {
  readonly repository: PolicyRepository;
  /** Puts a file in place, instead of its earlier version if there is one, by a rename, as careful editors do. */
  publish(name: string, text: string): void;
}

/** @param shownAs where readers find the files: explanations name it */
export function createPolicyFolder(path: string, shownAs: string): PolicyFolder {
  const repository = createPolicyRepository();
  const files = new Map<string, readonly PolicyResource[]>();
  return {
    repository,
    publish: (name, text) => {
      files.set(name, readPolicies(text, join(shownAs, name)));
      repository.replaceAll([...files.values()].flat());
      writeFileSync(join(path, `.${name}.new`), text);
      renameSync(join(path, `.${name}.new`), join(path, name));
    },
  };
}

function readPolicies(text: string, file: string): readonly PolicyResource[] {
  const { resources, issues } = parsePolicies(text, { file });
  const errors = issues.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(`reading ${file} failed:\n${errors.map(formatIssue).join('\n')}`);
  return resources;
}
