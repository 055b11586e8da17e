import { checkInteger, checkString } from './arguments.ts';
import { parseBtf } from './btf-parse.ts';
import type { BtfKind, BtfType } from './btf-types.ts';
import { LibbpfError } from './error.ts';
import { unwrap } from './handle.ts';
import { native } from './native.ts';

/** What a map declared in a `.maps` section holds. */
export interface MapDefinition {
  readonly name: string;
  /** `undefined` when the declaration gives only a size, or none. */
  readonly keyTypeId: number | undefined;
  readonly valueTypeId: number | undefined;
  readonly keySize: number | undefined;
  readonly valueSize: number | undefined;
  /** The numbers declared with __uint(), by member name: type, max_entries, map_flags, pinning … */
  readonly numbers: Readonly<Record<string, number>>;
}

/** Type information (BTF) as plain data: what a code generator needs to know about structs, enums and maps. */
export class Btf {
  /** Index n is type n; 0 is void. */
  readonly types: readonly BtfType[];

  private constructor(types: readonly BtfType[]) {
    this.types = types;
  }

  /** From raw BTF: a .BTF section, or /sys/kernel/btf/… @throws LibbpfError `BTF_INVALID` */
  static parse(raw: Uint8Array): Btf {
    return new Btf(parseBtf(raw));
  }

  /** From a BPF object file or its bytes, compiled with -g. @throws LibbpfError */
  static fromObject(source: string | Uint8Array): Btf {
    if (!(source instanceof Uint8Array)) checkString(source, 'source');
    const path = typeof source === 'string' ? source : undefined;
    return Btf.parse(unwrap(native().btfRead(source), `reading type information of ${path ?? 'an object'}`, { path }));
  }

  /** The running kernel's types (CONFIG_DEBUG_INFO_BTF, Linux 5.2): some hundred thousand, about a second to read. */
  static kernel(): Btf {
    return Btf.fromObject('/sys/kernel/btf/vmlinux');
  }

  /** @throws RangeError when there is no such type */
  type(id: number): BtfType {
    const type = this.types[checkInteger(id, 'id', 0, this.types.length - 1)];
    if (type === undefined) throw new RangeError(`id: no type ${id}`);
    return type;
  }

  /** The first type of a name, and of a kind if given. */
  find(name: string, kind?: BtfKind): BtfType | undefined {
    return this.types.find((type) => 'name' in type && type.name === name && (kind === undefined || type.kind === kind));
  }

  /** Follows typedefs and qualifiers to the type beneath. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; depth < 64; depth++) {
      if (type.kind !== 'typedef' && type.kind !== 'const' && type.kind !== 'volatile' && type.kind !== 'restrict' && type.kind !== 'type_tag') return type;
      type = this.type(type.typeId);
    }
    throw new LibbpfError('BTF_INVALID', `resolving type ${id}: its typedefs go in a circle`);
  }

  /** Bytes of a type. @throws TypeError for what has no size: void, functions, forward declarations */
  sizeOf(id: number): number {
    const type = this.resolve(id);
    if (type.kind === 'array') return type.length * this.sizeOf(type.typeId);
    if (type.kind === 'pointer') return 8;
    if ('size' in type) return type.size;
    throw new TypeError(`type ${id}: a ${type.kind} has no size`);
  }

  /** The maps declared in the object's `.maps` section. */
  mapDefinitions(): MapDefinition[] {
    const section = this.types.find((type) => type.kind === 'datasec' && type.name === '.maps');
    if (section?.kind !== 'datasec') return [];
    return section.variables.map(({ typeId }) => this.#mapDefinition(this.type(typeId)));
  }

  /** One declared map. @throws LibbpfError `NOT_FOUND` */
  mapDefinition(name: string): MapDefinition {
    const definitions = this.mapDefinitions();
    const found = definitions.find((definition) => definition.name === name);
    if (found !== undefined) return found;
    throw new LibbpfError('NOT_FOUND', `looking for map '${name}' in type information: there is none; it has ${definitions.map((d) => d.name).join(', ') || 'no maps'}`);
  }

  // bpf_helpers.h: __uint(name, n) is `int (*name)[n]`, __type(name, t) is `t *name`.
  #mapDefinition(variable: BtfType): MapDefinition {
    if (variable.kind !== 'var') throw new LibbpfError('BTF_INVALID', 'reading map definitions: .maps holds something that is no variable');
    const struct = this.resolve(variable.typeId);
    const members = struct.kind === 'struct' ? struct.members : [];
    const numbers: Record<string, number> = {};
    const pointee: Record<string, number> = {};
    for (const member of members) {
      const pointer = this.resolve(member.typeId);
      if (pointer.kind !== 'pointer') continue;
      const target = this.resolve(pointer.typeId);
      if (target.kind === 'array') numbers[member.name] = target.length;
      pointee[member.name] = pointer.typeId;
    }
    const { key: keyTypeId, value: valueTypeId } = pointee;
    const size = (typeId: number | undefined, declared: number | undefined): number | undefined => declared ?? (typeId === undefined ? undefined : this.sizeOf(typeId));
    return { name: variable.name, keyTypeId, valueTypeId, keySize: size(keyTypeId, numbers['key_size']), valueSize: size(valueTypeId, numbers['value_size']), numbers };
  }
}
