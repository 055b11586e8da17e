/** The kinds of object that are read, and the API version of each. */
export const API_VERSIONS = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Endpoints: 'v1',
  Pod: 'v1',
  CiliumLocalRedirectPolicy: 'cilium.io/v2',
} as const;

/** A kind of object that is read. */
export type ServiceObjectKind = keyof typeof API_VERSIONS;

/** Namespace of an object that names none, as `kubectl apply` would choose. */
const DEFAULT_NAMESPACE = 'default';

/** What identifies an object, as far as it can be read before the object was validated. */
export interface ObjectHeader {
  readonly kind: ServiceObjectKind | undefined;
  /** `kind` as written. */
  readonly kindText: string | undefined;
  readonly namespace: string;
  readonly name: string | undefined;
  /** `kind/namespace/name`. */
  readonly key: string | undefined;
}

/** Reads the header of any value. Never throws. */
export function readHeader(value: unknown): ObjectHeader {
  const object = asRecord(value);
  const metadata = asRecord(object['metadata']);
  const kindText = typeof object['kind'] === 'string' ? object['kind'] : undefined;
  const kind = kindText !== undefined && Object.hasOwn(API_VERSIONS, kindText) ? (kindText as ServiceObjectKind) : undefined;
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : undefined;
  const namespace = typeof metadata['namespace'] === 'string' && metadata['namespace'] !== '' ? metadata['namespace'] : DEFAULT_NAMESPACE;
  const key = kind === undefined || name === undefined ? undefined : `${kind}/${namespace}/${name}`;
  return { kind, kindText, namespace, name, key };
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
