import type { BtfMember, BtfType } from './btf-types.ts';
import { LibbpfError } from './error.ts';

const MAGIC = 0xeb9f;
const LINKAGE = ['static', 'global', 'extern'] as const;

interface Head {
  readonly id: number;
  readonly name: string;
  readonly vlen: number;
  readonly kindFlag: boolean;
  /** Its size, or the id of the type it refers to. */
  readonly size: number;
}

/** A cursor over the type section. */
interface Reader {
  u32(): number;
  i32(): number;
  text(offset: number): string;
}

type Decode = (head: Head, read: Reader) => BtfType;

const times = <T>(count: number, f: () => T): T[] => Array.from({ length: count }, f);

const decodeInt: Decode = ({ id, name, size }, read) => {
  const info = read.u32(); // Documentation/bpf/btf.rst: encoding in bits 24-27, bits in 0-7
  const encoding = (info >>> 24) & 0xf;
  return { kind: 'int', id, name, size, signed: (encoding & 1) !== 0, encoding: encoding & 4 ? 'bool' : encoding & 2 ? 'char' : 'none', bits: info & 0xff };
};

const decodeComposite = (kind: 'struct' | 'union'): Decode => ({ id, name, size, vlen, kindFlag }, read) => {
  const members = times(vlen, (): BtfMember => {
    const [memberName, typeId, offset] = [read.text(read.u32()), read.u32(), read.u32()];
    return kindFlag ? { name: memberName, typeId, offsetBits: offset & 0xffffff, bitfieldBits: offset >>> 24 } : { name: memberName, typeId, offsetBits: offset, bitfieldBits: 0 };
  });
  return { kind, id, name, size, members };
};

const decodeEnum: Decode = ({ id, name, size, vlen, kindFlag }, read) => ({
  kind: 'enum', id, name, size, signed: kindFlag,
  values: times(vlen, () => ({ name: read.text(read.u32()), value: BigInt(kindFlag ? read.i32() : read.u32()) })),
});

const decodeEnum64: Decode = ({ id, name, size, vlen, kindFlag }, read) => ({
  kind: 'enum', id, name, size, signed: kindFlag,
  values: times(vlen, () => {
    const [valueName, low, high] = [read.text(read.u32()), read.u32(), read.u32()];
    const value = (BigInt(high) << 32n) | BigInt(low);
    return { name: valueName, value: kindFlag ? BigInt.asIntN(64, value) : value };
  }),
});

// The index is the kind's number in linux/btf.h. A type that can repeat names keeps them as they are.
const DECODERS: readonly (Decode | undefined)[] = [
  undefined,
  decodeInt,
  ({ id, size }) => ({ kind: 'pointer', id, typeId: size }),
  ({ id }, read) => ({ kind: 'array', id, typeId: read.u32(), indexTypeId: read.u32(), length: read.u32() }),
  decodeComposite('struct'),
  decodeComposite('union'),
  decodeEnum,
  ({ id, name, kindFlag }) => ({ kind: 'forward', id, name, of: kindFlag ? 'union' : 'struct' }),
  ({ id, name, size }) => ({ kind: 'typedef', id, name, typeId: size }),
  ({ id, size }) => ({ kind: 'volatile', id, typeId: size }),
  ({ id, size }) => ({ kind: 'const', id, typeId: size }),
  ({ id, size }) => ({ kind: 'restrict', id, typeId: size }),
  ({ id, name, size, vlen }) => ({ kind: 'function', id, name, typeId: size, linkage: LINKAGE[vlen] ?? 'static' }),
  ({ id, size, vlen }, read) => ({ kind: 'prototype', id, typeId: size, parameters: times(vlen, () => ({ name: read.text(read.u32()), typeId: read.u32() })) }),
  ({ id, name, size }, read) => ({ kind: 'var', id, name, typeId: size, linkage: LINKAGE[read.u32()] ?? 'static' }),
  ({ id, name, size, vlen }, read) => ({ kind: 'datasec', id, name, size, variables: times(vlen, () => ({ typeId: read.u32(), offset: read.u32(), size: read.u32() })) }),
  ({ id, name, size }) => ({ kind: 'float', id, name, size }),
  ({ id, name, size }, read) => ({ kind: 'decl_tag', id, name, typeId: size, component: read.i32() }),
  ({ id, name, size }) => ({ kind: 'type_tag', id, name, typeId: size }),
  decodeEnum64,
];

const invalid = (what: string, cause?: unknown): LibbpfError => new LibbpfError('BTF_INVALID', `reading type information: ${what}`, { cause });

const stringReader = (raw: Uint8Array, start: number, length: number): ((offset: number) => string) => {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset + start, length);
  return (offset) => (offset === 0 ? '' : bytes.toString('utf8', offset, bytes.indexOf(0, offset)));
};

/** Parses raw type information (the .BTF section). Index n of the result is type n; 0 is void. @throws LibbpfError `BTF_INVALID` */
export const parseBtf = (raw: Uint8Array): BtfType[] => {
  if (raw.length < 24) throw invalid(`${raw.length} bytes are too few for a header`);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const little = view.getUint16(0, true) === MAGIC;
  if (!little && view.getUint16(0, false) !== MAGIC) throw invalid('it does not begin with the magic number 0xeb9f');
  const word = (offset: number): number => view.getUint32(offset, little);
  const header = word(4);
  let at = header + word(8);
  const end = at + word(12);
  const strings = header + word(16);
  if (end > raw.length || strings + word(20) > raw.length) throw invalid('its sections reach beyond its end');
  const read: Reader = {
    u32: () => { const value = view.getUint32(at, little); at += 4; return value; },
    i32: () => { const value = view.getInt32(at, little); at += 4; return value; },
    text: stringReader(raw, strings, word(20)),
  };
  const types: BtfType[] = [{ kind: 'void', id: 0 }];
  try {
    while (at < end) types.push(decodeType(types.length, read));
  } catch (cause) {
    throw cause instanceof LibbpfError ? cause : invalid(`type ${types.length} is cut off`, cause);
  }
  return types;
};

const decodeType = (id: number, read: Reader): BtfType => {
  const name = read.text(read.u32());
  const info = read.u32();
  const kind = (info >>> 24) & 0x1f;
  const decode = DECODERS[kind];
  if (decode === undefined) throw invalid(`type ${id} is of the unknown kind ${kind}`);
  return decode({ id, name, vlen: info & 0xffff, kindFlag: info >>> 31 === 1, size: read.u32() }, read);
};
