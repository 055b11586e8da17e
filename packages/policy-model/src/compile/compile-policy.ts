import type { Identity } from '@cilium-ts/identity';
import type { NamedPort } from '../directory/directory.ts';
import type { PolicyOptions } from '../model/options.ts';
import type { PolicyRepository } from '../repository.ts';
import type { CompiledPolicy } from './compiled-policy.ts';

/** What {@link compilePolicy} needs. */
export interface CompileRequest {
  readonly repository: PolicyRepository;
  /** Identity of the endpoints that the policy is for. */
  readonly subject: Identity;
  /** Every identity that may be a peer, the subject's own included. Of two with the same number the later one counts. */
  readonly identities: Iterable<Identity>;
  /** The ports that the subject's containers have named; absent: what the repository's directory knows of it. */
  readonly namedPorts?: readonly NamedPort[];
  readonly options: PolicyOptions;
}

/**
 * The policy of a subject towards all identities. Wildcards, precedence and ranges are resolved into the rows. Calls
 * after the first are cheap: only identities, rules and selectors not seen before are evaluated. An identity that is
 * not among `identities` gets the row `any`, in which only rules about everybody count: compile again before an
 * address carries it. Throws PolicyModelError `row-too-large`, `l7-conflict`.
 */
export function compilePolicy({ repository, subject, identities, namedPorts, options }: CompileRequest): CompiledPolicy {
  return repository.compiler(options).compile(subject, identities, namedPorts === undefined ? {} : { namedPorts });
}
