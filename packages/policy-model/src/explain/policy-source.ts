import type { Cidr, IpAddress } from '@cilium-ts/core';
import type { NumericIdentity } from '@cilium-ts/identity';
import type { PolicyResource } from '../model/resource.ts';
import type { ServiceReference } from '../model/rule.ts';

/** What an explanation takes its rules and facts from: a repository, or anything that knows as much. */
export interface PolicySource {
  /** Grows with every change of the resources. */
  readonly revision: number;
  /** By ascending key. */
  all(): readonly PolicyResource[];
  readonly directory?: SourceDirectory;
}

/** What rules refer to beyond labels. */
export interface SourceDirectory {
  services(reference: ServiceReference): readonly KnownService[];
  group(group: string): readonly Cidr[];
  namedPorts(identity: NumericIdentity): readonly KnownPort[];
  /** Only needed where `strictNetworkPolicy` is on. */
  addresses?(identity: NumericIdentity): readonly IpAddress[];
}

/** A service: by its pods, or without a selector by addresses. */
export interface KnownService {
  readonly namespace: string;
  readonly name: string;
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly prefixes: readonly Cidr[];
}

/** A port that a container gave a name. */
export interface KnownPort {
  /** Lower case. */
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
}
