/** Netlink attributes by type (flags masked off); of a type that comes twice the last one counts. */
export type Attributes = ReadonlyMap<number, Buffer>;

const HEADER = 4;
/** NLA_TYPE_MASK: the two upper bits are NLA_F_NESTED and NLA_F_NET_BYTEORDER (linux/netlink.h). */
const TYPE_MASK = 0x3fff;
const NESTED = 0x8000;

const align = (length: number): number => (length + 3) & ~3;

/** Splits a run of attributes. What is cut short at the end is left out. */
export const readAttributes = (data: Buffer): Attributes => {
  const found = new Map<number, Buffer>();
  for (let offset = 0; offset + HEADER <= data.length; ) {
    const length = data.readUInt16LE(offset);
    if (length < HEADER || offset + length > data.length) break;
    found.set(data.readUInt16LE(offset + 2) & TYPE_MASK, data.subarray(offset + HEADER, offset + length));
    offset += align(length);
  }
  return found;
};

/** A nested attribute's content; empty where it is absent. */
export const readNested = (attributes: Attributes, type: number): Attributes => readAttributes(attributes.get(type) ?? Buffer.alloc(0));

export const readU32 = (attributes: Attributes, type: number): number | undefined => {
  const data = attributes.get(type);
  return data && data.length >= 4 ? data.readUInt32LE(0) : undefined;
};

export const readS32 = (attributes: Attributes, type: number): number | undefined => {
  const data = attributes.get(type);
  return data && data.length >= 4 ? data.readInt32LE(0) : undefined;
};

/** A string attribute without its terminating NUL. */
export const readString = (attributes: Attributes, type: number): string | undefined => attributes.get(type)?.toString('utf8').replace(/\0[^]*$/, '');

/** Builds a message's payload: the family's fixed header, then attributes. */
export class PayloadWriter {
  #buffer: Buffer;
  #length: number;

  constructor(header: Uint8Array) {
    this.#buffer = Buffer.alloc(256 + header.length);
    this.#buffer.set(header);
    this.#length = align(header.length);
  }

  bytes(type: number, value: Uint8Array): this {
    const start = this.#open(type, value.length);
    this.#buffer.set(value, start + HEADER);
    return this;
  }

  u8(type: number, value: number): this {
    const start = this.#open(type, 1);
    this.#buffer.writeUInt8(value, start + HEADER);
    return this;
  }

  u32(type: number, value: number): this {
    const start = this.#open(type, 4);
    this.#buffer.writeUInt32LE(value >>> 0, start + HEADER);
    return this;
  }

  string(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`, 'utf8'));
  }

  nest(type: number, write: (inner: this) => void): this {
    const start = this.#open(type | NESTED, 0);
    write(this);
    this.#buffer.writeUInt16LE(this.#length - start, start);
    return this;
  }

  /** Raw content without an attribute header, as in the peer's header of a veth. */
  raw(value: Uint8Array): this {
    this.#grow(value.length);
    this.#buffer.set(value, this.#length);
    this.#length = align(this.#length + value.length);
    return this;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #open(type: number, size: number): number {
    const start = this.#length;
    this.#grow(HEADER + size);
    this.#buffer.writeUInt16LE(HEADER + size, start);
    this.#buffer.writeUInt16LE(type, start + 2);
    this.#length = align(start + HEADER + size);
    return start;
  }

  #grow(size: number): void {
    const needed = align(this.#length + size);
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.alloc(needed * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}
