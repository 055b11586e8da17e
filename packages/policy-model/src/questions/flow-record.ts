import type { IpAddress } from '@cilium-ts/core';
import type { LabelSet } from '@cilium-ts/identity';
import type { Direction } from '../model/rule.ts';

/** One end of a recorded flow, as far as the record knows it. */
export interface FlowEnd {
  /** Complete, as an identity has them; absent where the record has none. */
  readonly labels?: LabelSet;
  /** Number of the identity when the flow was recorded. */
  readonly identity?: number;
  readonly address?: IpAddress;
  /** DNS names that had led to the address, in lower case with a final dot. */
  readonly names?: readonly string[];
}

/** A request within a flow. */
export type FlowRequest =
  | {
      readonly kind: 'http';
      readonly method: string;
      /** With the query, without host. */
      readonly path: string;
      readonly host?: string;
      readonly headers?: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'kafka'; readonly apiKey?: string; readonly apiVersion?: number; readonly clientId?: string; readonly topic?: string };

/** A connection that somebody opened, or tried to open: `from` is who began. */
export interface FlowRecord {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  /** IP protocol number. */
  readonly protocol: number;
  /** Destination port or ICMP type; 0 for protocols with neither. */
  readonly port: number;
  /** Whose policy was asked when the flow was recorded. */
  readonly direction?: Direction;
  readonly request?: FlowRequest;
  /** `audited` is what would have been denied. */
  readonly verdict?: 'allowed' | 'denied' | 'audited';
  readonly at: { readonly file?: string; readonly line: number };
}

/** What is wrong with a file of flows or identities. */
export interface RecordIssue {
  readonly severity: 'error' | 'warning';
  readonly file?: string;
  /** 1-based. */
  readonly line: number;
  /** Path within the record, such as `to.labels`; empty for the record as a whole. */
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
}
