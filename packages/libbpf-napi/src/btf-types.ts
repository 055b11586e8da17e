/** A member of a struct or union. */
export interface BtfMember {
  /** Empty for an anonymous struct or union inside. */
  readonly name: string;
  readonly typeId: number;
  readonly offsetBits: number;
  /** Of a bit field; 0 for others. */
  readonly bitfieldBits: number;
}

interface Base {
  /** Its number in this type information; 0 is void. */
  readonly id: number;
}

/** A C type as plain data. References to other types are ids: see Btf.type(). */
export type BtfType =
  | (Base & { readonly kind: 'void' })
  | (Base & { readonly kind: 'int'; readonly name: string; readonly size: number; readonly signed: boolean; readonly encoding: 'none' | 'char' | 'bool'; readonly bits: number })
  | (Base & { readonly kind: 'float'; readonly name: string; readonly size: number })
  | (Base & { readonly kind: 'pointer'; readonly typeId: number })
  | (Base & { readonly kind: 'array'; readonly typeId: number; readonly indexTypeId: number; readonly length: number })
  | (Base & { readonly kind: 'struct' | 'union'; readonly name: string; readonly size: number; readonly members: readonly BtfMember[] })
  | (Base & { readonly kind: 'enum'; readonly name: string; readonly size: number; readonly signed: boolean; readonly values: readonly { readonly name: string; readonly value: bigint }[] })
  | (Base & { readonly kind: 'forward'; readonly name: string; readonly of: 'struct' | 'union' })
  | (Base & { readonly kind: 'typedef'; readonly name: string; readonly typeId: number })
  | (Base & { readonly kind: 'volatile' | 'const' | 'restrict'; readonly typeId: number })
  | (Base & { readonly kind: 'function'; readonly name: string; readonly typeId: number; readonly linkage: 'static' | 'global' | 'extern' })
  | (Base & { readonly kind: 'prototype'; readonly typeId: number; readonly parameters: readonly { readonly name: string; readonly typeId: number }[] })
  | (Base & { readonly kind: 'var'; readonly name: string; readonly typeId: number; readonly linkage: 'static' | 'global' | 'extern' })
  | (Base & { readonly kind: 'datasec'; readonly name: string; readonly size: number; readonly variables: readonly { readonly typeId: number; readonly offset: number; readonly size: number }[] })
  | (Base & { readonly kind: 'decl_tag'; readonly name: string; readonly typeId: number; readonly component: number })
  | (Base & { readonly kind: 'type_tag'; readonly name: string; readonly typeId: number });

export type BtfKind = BtfType['kind'];
