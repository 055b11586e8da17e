/** A kind of object that a reader reads. */
export interface ManifestKind {
  /** Whether its objects are in no namespace. */
  readonly clusterWide?: boolean;
}

/** Namespace of an object that names none, as `kubectl apply` would choose. */
const DEFAULT_NAMESPACE = 'default';

/** What identifies an object, as far as it can be read before the object was validated. */
export interface ManifestHeader<Kind extends string = string> {
  /** `undefined` for a kind that is not read. */
  readonly kind: Kind | undefined;
  /** `kind` as written. */
  readonly kindText: string | undefined;
  /** `undefined` for cluster-wide kinds. */
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  /** {@link manifestKey} of these, where all are known. */
  readonly key: string | undefined;
}

/** `kind/namespace/name`; cluster-wide objects have an empty middle part. */
export function manifestKey(kind: string, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ''}/${name}`;
}

/** Reads the header of any value. Never throws. */
export function readHeader<Kind extends string>(value: unknown, kinds: Readonly<Record<Kind, ManifestKind>>): ManifestHeader<Kind> {
  const object = asRecord(value);
  const metadata = asRecord(object['metadata']);
  const kindText = typeof object['kind'] === 'string' ? object['kind'] : undefined;
  const kind = kindText !== undefined && Object.hasOwn(kinds, kindText) ? (kindText as Kind) : undefined;
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : undefined;
  const written = typeof metadata['namespace'] === 'string' && metadata['namespace'] !== '' ? metadata['namespace'] : undefined;
  const namespace = kind !== undefined && kinds[kind].clusterWide ? undefined : (written ?? DEFAULT_NAMESPACE);
  const key = kind === undefined || name === undefined ? undefined : manifestKey(kind, namespace, name);
  return { kind, kindText, namespace, name, key };
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
