import { camel, pascal } from './names.mjs';

const INTEGERS = { 1: 'u8', 2: 'u16', 4: 'u32', 8: 'u64' };

/** What the roots lead to: keys and values of maps, events, and what lies within them. By name: type and BTF. */
function collectStructs(btf, roots) {
  const found = new Map();
  const visit = (id) => {
    const type = btf.resolve(id);
    if (type.kind === 'ARRAY') visit(type.type_id);
    if (type.kind !== 'STRUCT' || found.has(type.name)) return;
    for (const member of type.members) visit(member.type_id);
    found.set(type.name, { type, btf });
  };
  for (const root of roots) visit(root);
  return found;
}

/** By name, but what lies within a struct before it: the order of BTF changes with the programs' code. */
function ordered(structs) {
  const done = new Set();
  const put = ({ type, btf }) => {
    if (done.has(type.name)) return;
    for (const member of type.members) {
      let inner = btf.resolve(member.type_id);
      while (inner.kind === 'ARRAY') inner = btf.resolve(inner.type_id);
      if (inner.kind === 'STRUCT') put(structs.get(inner.name));
    }
    done.add(type.name);
  };
  for (const name of [...structs.keys()].sort((a, b) => a.localeCompare(b))) put(structs.get(name));
  return [...done].map((name) => structs.get(name));
}

/** The codec expression and TypeScript type of a member. */
function memberType(btf, id) {
  const type = btf.resolve(id);
  if (type.kind === 'STRUCT') return { codec: camel(type.name), type: pascal(type.name) };
  if (type.kind === 'ARRAY') {
    const element = memberType(btf, type.type_id);
    if (element.codec === 'u8') return { codec: `bytes(${type.nr_elems})`, type: 'Uint8Array', imports: ['bytes'] };
    return { codec: `array(${element.codec}, ${type.nr_elems})`, type: `readonly ${element.type}[]`, imports: ['array', ...(element.imports ?? [])] };
  }
  if (type.kind !== 'INT' && !type.kind.startsWith('ENUM')) throw new Error(`codegen: a member of kind ${type.kind} has no codec`);
  const bigEndian = btf.typedefName(id)?.startsWith('__be');
  const base = type.encoding === 'SIGNED' ? INTEGERS[type.size].replace('u', 's') : INTEGERS[type.size];
  const codec = bigEndian ? `be${type.size * 8}` : base;
  return { codec, type: type.size === 8 ? 'bigint' : 'number', imports: [codec] };
}

function emitStruct(btf, type, imports) {
  const members = type.members.map((member) => {
    const described = memberType(btf, member.type_id);
    for (const name of described.imports ?? []) imports.add(name);
    return { name: camel(member.name), offset: member.bits_offset / 8, ...described };
  });
  imports.add('struct');
  return [
    `/** struct ${type.name}, ${type.size} bytes. */`,
    `export interface ${pascal(type.name)} {`,
    ...members.map(({ name, type: text }) => `  readonly ${name}: ${text};`),
    '}',
    '',
    `/** Codec of struct ${type.name}. */`,
    `export const ${camel(type.name)}: Codec<${pascal(type.name)}> = /* @__PURE__ */ struct(`,
    `  { ${members.map(({ name, codec, offset }) => `${name}: [${codec}, ${offset}]`).join(', ')} },`,
    `  ${type.size},`,
    ');',
    '',
    `/** Byte offsets within struct ${type.name}. */`,
    `export const ${camel(type.name)}Offsets = { ${members.map(({ name, offset }) => `${name}: ${offset}`).join(', ')} } as const;`,
    '',
  ].join('\n');
}

/** structs.ts: an interface, a codec and the offsets of each struct; objects that share one must agree on it. */
export function emitStructs(objects) {
  const imports = new Set();
  const structs = new Map();
  const texts = new Map();
  for (const { name: object, btf, roots } of objects) {
    for (const [name, found] of collectStructs(btf, roots)) {
      const text = emitStruct(btf, found.type, imports);
      const known = texts.get(name);
      if (known !== undefined && known.text !== text) throw new Error(`codegen: struct ${name} of ${object} is not what it is in ${known.object}`);
      texts.set(name, known ?? { text, object });
      if (!structs.has(name)) structs.set(name, found);
    }
  }
  const body = ordered(structs).map(({ type }) => texts.get(type.name).text).join('\n');
  return `import { ${[...imports].sort().join(', ')}, type Codec } from '@cilium-ts/bpf-maps';\n\n${body}`;
}
