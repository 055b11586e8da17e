import type { SourceLocation } from '@cilium-ts/manifest';
import type { FqdnSelector } from './rule.ts';

/**
 * What a port rule asks of a connection beyond addresses and ports. Traffic that it matches goes through a proxy, which
 * lets pass what any of the rules matches.
 */
export interface ProxyRules {
  readonly l7?: L7Rules;
  /** TLS server names; `*` stands for one label at the beginning. */
  readonly serverNames?: readonly string[];
  /** Secrets for terminating the client's TLS, and for originating TLS to the server. */
  readonly terminatingTls?: TlsContext;
  readonly originatingTls?: TlsContext;
  /** An Envoy listener that takes the traffic. */
  readonly listener?: { readonly name: string; readonly envoyConfig?: { readonly kind: string; readonly name: string }; readonly priority?: number };
  readonly at: SourceLocation;
}

/** Rules of one protocol; an empty list lets everything pass that the protocol's parser understands. */
export type L7Rules =
  | { readonly kind: 'http'; readonly rules: readonly HttpRule[] }
  | { readonly kind: 'kafka'; readonly rules: readonly KafkaRule[] }
  | { readonly kind: 'dns'; readonly rules: readonly FqdnSelector[] }
  /** A parser by name, with rules whose keys only it understands. */
  | { readonly kind: 'generic'; readonly parser: string; readonly rules: readonly Readonly<Record<string, string>>[] };

/** A request that is allowed: every field that is there must match. Patterns are anchored (POSIX extended). */
export interface HttpRule {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  /** `Name: value`, or a name that must be there. */
  readonly headers?: readonly string[];
  readonly headerMatches?: readonly HeaderMatch[];
}

/** A header that must have a value; what is done where it has not. Default: the request is not matched. */
export interface HeaderMatch {
  readonly name: string;
  readonly value?: string;
  readonly secret?: SecretReference;
  readonly mismatch?: 'LOG' | 'ADD' | 'DELETE' | 'REPLACE';
}

export interface SecretReference {
  readonly namespace?: string;
  readonly name: string;
}

export interface TlsContext {
  readonly secret: SecretReference;
  readonly trustedCa?: string;
  readonly certificate?: string;
  readonly privateKey?: string;
}

/** A Kafka request that is allowed. Roles stand for their API keys. */
export interface KafkaRule {
  /** Numbers of the API keys; empty: every one. */
  readonly apiKeys: readonly number[];
  readonly apiVersion?: number;
  readonly clientId?: string;
  readonly topic?: string;
}
