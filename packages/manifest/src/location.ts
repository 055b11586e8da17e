/** Where something stands in a file, for messages and explanations. */
export interface SourceLocation {
  /** Name of the file as given to the parser; absent for text without a file. */
  readonly file?: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, counted in UTF-16 code units. */
  readonly column: number;
  /** Path within the object, such as `spec.egress[0].toPorts[1]`. */
  readonly field: string;
}

/** A path into a document: keys and list indexes. */
export type FieldPath = readonly (string | number)[];

/** The path as people write it: `spec.egress[0].toFQDNs`, `metadata.labels["a/b"]`. */
export function formatFieldPath(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** `shop.yaml:12:5: spec.egress[0]`, without what is not known. */
export function formatLocation(at: SourceLocation): string {
  const place = `${at.file === undefined ? 'line ' : `${at.file}:`}${at.line}`;
  return at.field === '' ? place : `${place}: ${at.field}`;
}
