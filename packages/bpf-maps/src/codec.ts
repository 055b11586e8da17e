/** How a value is laid out in a fixed number of bytes. Stateless, so that one codec serves any number of maps. */
export interface Codec<T> {
  /** Bytes taken. */
  readonly size: number;
  /** Writes every one of the `size` bytes from `offset` on. Throws RangeError for a value that does not fit. */
  encode(value: T, into: DataView, offset: number): void;
  decode(from: DataView, offset: number): T;
}

/** The type of a codec's values. */
export type CodecValue<C> = C extends Codec<infer T> ? T : never;

/** The view of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The encoded form in bytes of its own. */
export function encodeBytes<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.encode(value, viewOf(bytes), 0);
  return bytes;
}

/** The value of the first `codec.size` bytes. Throws RangeError if there are fewer. */
export function decodeBytes<T>(codec: Codec<T>, bytes: Uint8Array): T {
  if (bytes.length < codec.size) throw new RangeError(`bytes: expected at least ${codec.size}, got ${bytes.length}`);
  return codec.decode(viewOf(bytes), 0);
}
