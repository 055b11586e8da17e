import { execFileSync } from 'node:child_process';

/** The BTF of a compiled object, as bpftool reads it, with the questions that a generator asks. */
export function readBtf(object) {
  const text = execFileSync('bpftool', ['btf', 'dump', 'file', object, 'format', 'raw', '-j'], { encoding: 'utf8', maxBuffer: 64 << 20 });
  const types = new Map(JSON.parse(text).types.map((type) => [type.id, type]));
  const get = (id) => types.get(id);

  /** The type behind typedefs and qualifiers. */
  const resolve = (id) => {
    let type = get(id);
    while (type !== undefined && ['TYPEDEF', 'CONST', 'VOLATILE'].includes(type.kind)) type = get(type.type_id);
    return type;
  };

  /** The first typedef name on the way to the type, which tells __be16 from __u16. */
  const typedefName = (id) => {
    for (let type = get(id); type !== undefined && type.type_id !== undefined; type = get(type.type_id)) {
      if (type.kind === 'TYPEDEF') return type.name;
      if (!['CONST', 'VOLATILE'].includes(type.kind)) return undefined;
    }
    return undefined;
  };

  const size = (id) => {
    const type = resolve(id);
    return type.kind === 'ARRAY' ? type.nr_elems * size(type.type_id) : type.kind === 'PTR' ? 8 : type.size;
  };

  return {
    all: () => [...types.values()],
    resolve,
    typedefName,
    size,
    /** A member of the struct behind `id`. */
    member: (id, name) => resolve(id).members.find((member) => member.name === name),
    struct: (name) => [...types.values()].find((type) => type.kind === 'STRUCT' && type.name === name),
    section: (name) => {
      const section = [...types.values()].find((type) => type.kind === 'DATASEC' && type.name === name);
      return (section?.vars ?? []).map((entry) => ({ ...get(entry.type_id), offset: entry.offset, size: entry.size }));
    },
    /** Declaration tag (btf_decl_tag) of a variable. */
    tag: (id) => [...types.values()].find((type) => type.kind === 'DECL_TAG' && type.type_id === id)?.name,
  };
}
