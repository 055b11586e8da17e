import type { Cidr } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import type { PolicyOptions } from '../../model/options.ts';
import { DEFAULT_POLICY_OPTIONS } from '../../model/options.ts';
import type { PolicyResource } from '../../model/resource.ts';
import { checkBroad } from './check-broad.ts';
import { checkDefaultDeny } from './check-default-deny.ts';
import { checkImpossible } from './check-impossible.ts';
import { checkReferences } from './check-references.ts';
import { checkShadowed } from './check-shadowed.ts';
import { checkTiers } from './check-tiers.ts';
import type { Check, LintService, LintContext } from './context.ts';
import { toFinding } from './context.ts';
import type { Finding } from './finding.ts';
import { prepareRules } from './prepared.ts';

/** What {@link lint} is asked about. */
export interface LintRequest {
  /** All policies that are in force together, and the groups that they name. */
  readonly resources: readonly PolicyResource[];
  /** Everybody there is; without them nothing is said about selectors that select nobody. */
  readonly identities?: readonly Identity[];
  /** Every service there is; without them references to services are not checked. */
  readonly services?: readonly LintService[];
  /** Addresses of the cluster's pods and nodes, which prefixes do not select. */
  readonly clusterPrefixes?: readonly Cidr[];
  readonly options?: PolicyOptions;
}

const CHECKS: readonly Check[] = [checkImpossible, checkShadowed, checkBroad, checkDefaultDeny, checkReferences, checkTiers];

/**
 * What is questionable about policies that are valid: rules that can do nothing, that others defeat, that open or close
 * more than their names say. In order of resource and place. A finding is never about a rule alone: the rules beside it
 * decide what it does, so that all policies have to be given.
 */
export function lint({ resources, identities, services, clusterPrefixes = [], options = DEFAULT_POLICY_OPTIONS }: LintRequest): readonly Finding[] {
  const sorted = [...resources].sort((a, b) => (a.key < b.key ? -1 : 1));
  const findings: Finding[] = [];
  const context: LintContext = {
    resources: sorted,
    rules: prepareRules(sorted, options),
    options,
    identities,
    services,
    clusterPrefixes,
    report: (finding) => findings.push(toFinding(finding)),
  };
  for (const check of CHECKS) check(context);
  return findings.sort((a, b) => compare(a.file ?? '', b.file ?? '') || a.line - b.line || a.column - b.column || compare(a.resource, b.resource) || compare(a.code, b.code));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
