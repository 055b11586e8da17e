import type { Identity } from '@cilium-ts/identity';
import type { PolicyRepository } from '../../../src/index.ts';
import { createPolicyRepository, formatIssue, parsePolicies } from '../../../src/index.ts';
import type { Json, Party, SimOptions, Tables } from '../simulator/tables.ts';
import { identityOf } from './identities.ts';

/** All that a question is asked of: policies, who there is, and what is known of them. */
export interface Scene {
  readonly documents: readonly Json[];
  readonly parties: readonly Party[];
  readonly tables: Tables;
  readonly options: SimOptions;
}

/** A scene as the library has it. */
export interface Loaded {
  readonly repository: PolicyRepository;
  /** By party, in their order. */
  readonly identities: readonly Identity[];
  readonly byParty: ReadonlyMap<Party, Identity>;
}

/** The resources of documents that must all be accepted. */
export function parse(documents: readonly Json[]) {
  return documents.flatMap((document) => {
    const { resources, issues } = parsePolicies(JSON.stringify(document), { file: `${document.metadata.name}.json` });
    const errors = issues.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new Error(`refused: ${errors.map(formatIssue).join('\n')}\n${JSON.stringify(document)}`);
    return resources;
  });
}

export function load({ documents, parties, tables, options }: Scene): Loaded {
  const repository = createPolicyRepository();
  repository.replaceAll(parse(documents));
  const byParty = new Map(parties.map((party) => [party, identityOf(party, repository, { tables, options, selectors: [] })]));
  return { repository, byParty, identities: [...new Map([...byParty.values()].map((identity) => [identity.id, identity])).values()] };
}
