import type { ManifestHeader } from '@cilium-ts/manifest';
import type { Field } from '@cilium-ts/manifest';
import type { ServiceObjectKind } from '../parse/kinds.ts';

/** What every translator is given besides the object. */
export interface TranslateContext {
  readonly header: ManifestHeader<ServiceObjectKind> & { readonly namespace: string };
  /** The object itself; fields below it are reported through it. */
  readonly root: Field;
}

/** An object under the key by which its source knows it: `kind/namespace/name`, of parts with a number behind. */
export type Keyed<T> = T & { readonly key: string };

/** Milliseconds of a Kubernetes timestamp, as a property that is absent where there is none. */
export function createdAt(timestamp: string | null | undefined): { readonly createdAt?: number } {
  const time = timestamp === null || timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  return Number.isNaN(time) ? {} : { createdAt: time };
}
