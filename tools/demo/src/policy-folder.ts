import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createPolicyRepository, formatIssue, parsePolicies, type PolicyRepository, type PolicyResource } from '@cilium-ts/policy-model';

/** The folder that the agent watches, and beside it the policy model's own view of the same files. */
export interface PolicyFolder {
  readonly repository: PolicyRepository;
  /** Puts a file in place by a rename, as careful editors do. */
  publish(name: string, text: string): void;
  withdraw(name: string): void;
}

/** @param shownAs where readers find the files: explanations name it */
export function createPolicyFolder(path: string, shownAs: string): PolicyFolder {
  const repository = createPolicyRepository();
  const files = new Map<string, readonly PolicyResource[]>();
  const place = (name: string): string => join(path, basename(name));
  return {
    repository,
    publish: (name, text) => {
      files.set(name, readPolicies(text, join(shownAs, name)));
      repository.replaceAll([...files.values()].flat());
      writeFileSync(`${place(name)}.new`, text);
      renameSync(`${place(name)}.new`, place(name));
    },
    withdraw: (name) => {
      files.delete(name);
      repository.replaceAll([...files.values()].flat());
      rmSync(place(name));
    },
  };
}

function readPolicies(text: string, file: string): readonly PolicyResource[] {
  const { resources, issues } = parsePolicies(text, { file });
  const errors = issues.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(`reading ${file} failed:\n${errors.map(formatIssue).join('\n')}`);
  return resources;
}
