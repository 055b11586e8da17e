import type { Btf } from './btf.ts';
import type { ObjectVariable } from './object-spec.ts';

export type TypedVariable = ObjectVariable & { readonly typeId: number };

/** The variables of an object's global-data sections, from its type information. */
export const objectVariables = (btf: Btf, sections: Iterable<string>): ReadonlyMap<string, TypedVariable> => {
  const found = new Map<string, TypedVariable>();
  const known = new Set(sections);
  for (const type of btf.types) {
    if (type.kind !== 'datasec' || !known.has(type.name)) continue;
    for (const entry of type.variables) {
      const variable = btf.type(entry.typeId);
      if (variable.kind === 'var') found.set(variable.name, { name: variable.name, section: type.name, offset: entry.offset, size: entry.size, typeId: variable.typeId });
    }
  }
  return found;
};
