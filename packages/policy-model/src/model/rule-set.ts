import type { L7Rules, ProxyRules, TlsContext } from './l7.ts';

/** What understands the traffic that a rule set is about; one by name for generic rules. */
export type ProxyParser = 'http' | 'kafka' | 'dns' | 'tls' | 'listener' | `generic:${string}`;

/**
 * What a proxy has to let pass of the connections that one verdict sends to it: those to one of the server names, if
 * there are any, with requests that one of the rules matches. Immutable; equal content is the same object.
 */
export interface RuleSet {
  /** SHA-256 of the content in hexadecimal: the same in every process. */
  readonly id: string;
  readonly parser: ProxyParser;
  /** Sorted, once each, and never an empty list; a rule without conditions lets everything pass. */
  readonly rules?: L7Rules;
  /** Sorted; absent: every name, and none. */
  readonly serverNames?: readonly string[];
  readonly listener?: NonNullable<ProxyRules['listener']>;
  readonly tls?: { readonly terminating?: TlsContext; readonly originating?: TlsContext };
}
