/** The maps of an object that others may see (`cilium_…`; the rest is the programs' own), from the BTF of its `.maps` section. */
export function readMaps(btf) {
  return btf.section('.maps').filter((variable) => variable.name.startsWith('cilium_')).map((variable) => {
    const members = new Map(btf.resolve(variable.type_id).members.map((member) => [member.name, btf.resolve(btf.resolve(member.type_id).type_id)]));
    const number = (name) => members.get(name)?.nr_elems ?? 0;
    const id = (name) => (btf.member(variable.type_id, name) === undefined ? undefined : btf.resolve(btf.member(variable.type_id, name).type_id).type_id);
    return { name: variable.name, type: number('type'), maxEntries: number('max_entries'), flags: number('map_flags'), key: id('key'), value: id('value') };
  });
}

/** linux/bpf.h, enum bpf_map_type: those in use. */
const TYPES = { 1: 'hash', 2: 'array', 6: 'percpu_array', 9: 'lru_hash', 11: 'lpm_trie', 25: 'devmap_hash', 27: 'ringbuf' };

/** name -> row of maps.ts, over all objects; objects that share a map must agree on it. */
function mergeRows(objects) {
  const rows = new Map();
  for (const { name: object, btf, maps } of objects) {
    for (const map of maps) {
      const row = specRow(btf, map);
      const known = rows.get(map.name);
      if (known !== undefined && known.row !== row) throw new Error(`codegen: map ${map.name} is ${row} in ${object}, but ${known.row} in ${known.object}`);
      rows.set(map.name, known ?? { row, object });
    }
  }
  return [...rows].sort(([a], [b]) => a.localeCompare(b));
}

function specRow(btf, { name, type, maxEntries, flags, key, value }) {
  if (TYPES[type] === undefined) throw new Error(`codegen: map ${name} has type ${type}, which codegen does not know`);
  const [keySize, valueSize] = [key, value].map((each) => (each === undefined ? 0 : btf.size(each)));
  return `{ type: '${TYPES[type]}', keySize: ${keySize}, valueSize: ${valueSize}, maxEntries: ${maxEntries}, flags: ${flags} }`;
}

/** maps.ts: what each map is made of, and which object has which. `objects`: name, BTF and maps of each. */
export function emitMaps(objects) {
  const rows = mergeRows(objects).map(([name, { row }]) => `  ${name}: ${row},`);
  const lists = objects.map(({ name, maps }) => [
    `  ${name}: [`,
    ...maps.map((map) => map.name).sort((a, b) => a.localeCompare(b)).map((map) => `    '${map}',`),
    '  ],',
  ].join('\n'));
  return [
    '/** What a map is made of; `valueSize` of a per-CPU map is one CPU’s, `maxEntries` of a ring its bytes. */',
    'export interface MapSpec {',
    `  readonly type: ${[...new Set(Object.values(TYPES))].map((type) => `'${type}'`).join(' | ')};`,
    '  readonly keySize: number;',
    '  readonly valueSize: number;',
    '  readonly maxEntries: number;',
    '  readonly flags: number;',
    '}',
    '',
    '/** The maps of the datapath, by the name under which they are pinned. */',
    'export const MAPS = {',
    ...rows,
    '} as const satisfies Readonly<Record<string, MapSpec>>;',
    '',
    '/** The name of a map of the datapath. */',
    'export type MapName = keyof typeof MAPS;',
    '',
    '/** The objects of the datapath and the maps that each of them uses; a map of several objects is one and the same. */',
    'export const OBJECT_MAPS = {',
    ...lists,
    '} as const satisfies Readonly<Record<string, readonly MapName[]>>;',
    '',
    '/** The name of an object of the datapath. */',
    'export type ObjectName = keyof typeof OBJECT_MAPS;',
    '',
    '/** The maps of one object. */',
    'export type ObjectMapName<Name extends ObjectName = ObjectName> = (typeof OBJECT_MAPS)[Name][number];',
    '',
  ].join('\n');
}
