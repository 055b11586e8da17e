import type { SourceLocation } from '../../model/location.ts';
import { formatLocation } from '../../model/location.ts';

/** Stable name of a kind of finding, for programs. */
export type FindingCode =
  /** The selector of the rule's endpoints contradicts itself. */
  | 'impossible-subject'
  /** A peer that no traffic can come from or go to. */
  | 'impossible-peer'
  /** No packet can have these ports together with these peers. */
  | 'impossible-ports'
  /** A prefix of the cluster's own addresses: prefixes select addresses outside only. */
  | 'cidr-inside-cluster'
  /** Rules that come before always decide what this one matches. */
  | 'shadowed'
  /** Another rule says the same, or more. */
  | 'redundant'
  /** None of the known identities is among the rule's endpoints, or peers. */
  | 'selects-no-endpoint'
  | 'selects-no-peer'
  /** Everybody, the world included, where the name does not say so. */
  | 'opens-to-everyone'
  /** Every pod of the cluster, on every port, where the name does not say so. */
  | 'opens-to-cluster'
  /** Every endpoint of the cluster is put into default deny, where the name does not say so. */
  | 'closes-every-endpoint'
  | 'allows-despite-name'
  | 'denies-despite-name'
  /** A policy that only denies also closes everything that it does not mention. */
  | 'closes-everything-else'
  /** A direction is closed, and nothing opens it. */
  | 'closed-without-allow'
  /** One part of a policy switches default deny off, another switches it on. */
  | 'default-deny-mixed'
  /** Allowed where nothing denies. */
  | 'allows-what-nothing-denies'
  /** Said to deny everything, and closes one direction. */
  | 'one-direction-open'
  /** Layer-7 rules, beside a broader rule that lets everything pass. */
  | 'l7-defeated'
  /** Layer-7 rules of endpoints that are not in default deny: nothing is refused. */
  | 'l7-only-observes'
  /** Names are learned from the answers that endpoints get; no rule sends these through the proxy. */
  | 'fqdn-without-dns'
  /** A DNS rule is there, and does not let the endpoint ask for this name. */
  | 'fqdn-name-not-asked'
  | 'unknown-cidr-group'
  | 'unknown-service'
  /** A rule of the tier admin that leaves everything to the tiers below. */
  | 'tier-passes-everything';

/**
 * How bad it is: an `error` is a rule that cannot do anything at all, a `warning` most likely not what was meant, an
 * `info` worth knowing.
 */
export type FindingSeverity = 'error' | 'warning' | 'info';

/** One thing that is questionable about a rule. */
export interface Finding extends SourceLocation {
  readonly code: FindingCode;
  readonly severity: FindingSeverity;
  /** Key of the resource. */
  readonly resource: string;
  /** As one sentence without the place. */
  readonly message: string;
  readonly remedy: string;
  /** Other rules that the message speaks of. */
  readonly related: readonly (SourceLocation & { readonly resource: string })[];
}

/** The finding as one line: `shop.yaml:12:5: warning: KIND/NS/NAME spec.ingress[0]: … (remedy) [code]`. */
export function formatFinding({ file, line, column, field, severity, resource, message, remedy, code }: Finding): string {
  const place = file === undefined ? `line ${line}:${column}` : `${file}:${line}:${column}`;
  return `${place}: ${severity}: ${resource}${field === '' ? '' : ` ${field}`}: ${message} (${remedy}) [${code}]`;
}

/** `kind/namespace/name (file:line: field)`. */
export function describeRule(rule: { readonly resource: string; readonly at: SourceLocation }): string {
  return `${rule.resource} (${formatLocation(rule.at)})`;
}
