import type { PolicyKind } from '../model/resource.ts';
import { resourceKey } from '../model/resource.ts';

/** The API version that each readable kind has. */
export const API_VERSIONS = {
  CiliumNetworkPolicy: 'cilium.io/v2',
  CiliumClusterwideNetworkPolicy: 'cilium.io/v2',
  NetworkPolicy: 'networking.k8s.io/v1',
} as const satisfies Partial<Record<PolicyKind, string>>;

/** Namespace of a namespaced policy that names none, as `kubectl apply` would choose. */
const DEFAULT_NAMESPACE = 'default';

/** What identifies an object, as far as it can be read before the object was validated. */
export interface ResourceHeader {
  readonly kind: PolicyKind | undefined;
  /** `kind` as written. */
  readonly kindText: string | undefined;
  /** `undefined` for cluster-wide policies. */
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly key: string | undefined;
}

/** Reads the header of any value. Never throws. */
export function readHeader(value: unknown): ResourceHeader {
  const object = asRecord(value);
  const metadata = asRecord(object['metadata']);
  const kindText = typeof object['kind'] === 'string' ? object['kind'] : undefined;
  const kind = kindText !== undefined && Object.hasOwn(API_VERSIONS, kindText) ? (kindText as PolicyKind) : undefined;
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : undefined;
  const written = typeof metadata['namespace'] === 'string' && metadata['namespace'] !== '' ? metadata['namespace'] : undefined;
  const namespace = kind === 'CiliumClusterwideNetworkPolicy' ? undefined : (written ?? DEFAULT_NAMESPACE);
  const key = kind === undefined || name === undefined ? undefined : resourceKey(kind, namespace, name);
  return { kind, kindText, namespace, name, key };
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
