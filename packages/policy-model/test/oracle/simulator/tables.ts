/**
 * What the simulator knows: plain data, no types of the library. Everything that a policy can refer to is a table.
 */
export interface Tables {
  readonly services: readonly SimService[];
  /** Addresses that DNS names resolved to. Lower case, with a final dot. */
  readonly names: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** Addresses of the groups of cloud providers, by the group as written (JSON). */
  readonly groups: readonly { readonly group: unknown; readonly prefixes: readonly string[] }[];
}

export interface SimService {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of pods in its namespace; a service without one has addresses. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly addresses?: readonly string[];
}

/** Somebody who sends or receives. */
export interface Party {
  /** For messages. */
  readonly name: string;
  /**
   * `inside`: pods, nodes and what Cilium reserves identities for; `outside`: an address that is nobody's. Addresses
   * outside have the world label of their family besides those listed.
   */
  readonly where: 'inside' | 'outside';
  /** `source:key=value`. */
  readonly labels: readonly string[];
  readonly addresses: readonly string[];
  readonly ports?: readonly ContainerPort[];
}

export interface ContainerPort {
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
}

/** The options that change what policies mean. */
export interface SimOptions {
  readonly enforcement: 'default' | 'always' | 'never';
  readonly allowLocalhost: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly clusterName: string;
  readonly defaultLocalCluster: boolean;
  readonly hostFirewall?: boolean;
  readonly strictNetworkPolicy?: boolean;
}

/** The first packet of a connection, and what is asked within it. */
export interface SimPacket {
  readonly protocol: number;
  /** Destination port or ICMP type; 0 for protocols with neither. */
  readonly port: number;
  readonly serverName?: string;
  readonly request?: SimRequest;
}

export type SimRequest =
  | { readonly kind: 'http'; readonly method: string; readonly path: string; readonly host: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'kafka'; readonly apiKey: number; readonly apiVersion: number; readonly clientId: string; readonly topic?: string }
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'generic'; readonly parser: string; readonly fields: Readonly<Record<string, string>> };

/** `unknown`: it depends on a request or a server name that was not given. */
export type Answer = 'yes' | 'no' | 'unknown';

/** What the policies of one side say. */
export interface SimVerdict {
  /** `none`: the side is no endpoint that policies apply to. */
  readonly action: 'none' | 'allow' | 'deny' | 'deny-default';
  /** Whether a proxy has to look at the connection. */
  readonly proxy?: string;
  /** Whether the proxy would let pass what is known of the connection; only with `proxy`. */
  readonly passes?: Answer;
  /** What decided, for messages. */
  readonly why: string;
}

/** A value read from YAML or JSON. */
export type Json = any; // eslint-disable-line @typescript-eslint/no-explicit-any
