import type { IpAddress } from '@cilium-ts/core';
import type { SourceLocation } from '@cilium-ts/manifest';
import type { LabelSelector } from './label-selector.ts';
import type { Protocol } from './protocol.ts';

/** A port of a local redirect policy; the names pair those of frontend and backend where there are several. */
export interface RedirectPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** What is redirected: an address, or the ClusterIP frontends of a service (all its ports when `ports` is empty). */
export type RedirectFrontend =
  | { readonly kind: 'address'; readonly address: IpAddress; readonly ports: readonly RedirectPort[] }
  | { readonly kind: 'service'; readonly service: string; readonly ports: readonly RedirectPort[] };

/** CiliumLocalRedirectPolicy: traffic to an address or service goes to pods of this node, as long as there are any. */
export interface LocalRedirect {
  readonly namespace: string;
  readonly name: string;
  readonly frontend: RedirectFrontend;
  /** Which pods of the policy's namespace. */
  readonly selector: LabelSelector;
  readonly ports: readonly RedirectPort[];
  readonly createdAt?: number;
  readonly at?: SourceLocation;
}
