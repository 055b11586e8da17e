import type { BpfMap } from './map.ts';
import type { MapType } from './map-type.ts';
import type { ProgramType } from './program-type.ts';

/** The shape of the maps inside a map of maps. */
export interface InnerMap {
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** A map as the object file declares it. */
export interface ObjectMap {
  /** The C name; for global data, the section: `.rodata`, `.data`, `.bss`. */
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Made by libbpf for global data rather than declared. */
  readonly internal: boolean;
  readonly pinPath: string | undefined;
  /** Of a map of maps: what the object declares for the inner ones. */
  readonly inner: InnerMap | undefined;
}

/** A program as the object file declares it. */
export interface ObjectProgram {
  /** The name of the C function. */
  readonly name: string;
  /** The ELF section, from which libbpf derives the type: `tc`, `xdp`, `cgroup_skb/ingress` … */
  readonly section: string;
  readonly type: ProgramType;
  /** Is it loaded by load()? */
  readonly autoload: boolean;
}

/** A global variable of the object. */
export interface ObjectVariable {
  readonly name: string;
  /** The map it lives in: `.rodata` for `const volatile`, `.data` or `.bss` for others. */
  readonly section: string;
  /** Bytes from the start of that map's only value. */
  readonly offset: number;
  readonly size: number;
}

/** What to change about a map before loading. */
export interface MapOverride {
  readonly maxEntries?: number;
  /** A path on a bpffs: load() re-uses the map pinned there, if it has the same shape, or creates it and pins it there. */
  readonly pinPath?: string;
  /** Use this map rather than create one; it must have the same shape. The handle stays the caller's. */
  readonly reuse?: BpfMap;
  /** Of a map of maps: a map of the shape that the inner ones are to have. The handle stays the caller's. */
  readonly inner?: BpfMap;
}

export interface OpenOptions {
  /** The object's name; the kernel shows its first characters in the names of global-data maps. Default: the file's name. */
  readonly name?: string;
  /** By map name. */
  readonly maps?: Readonly<Record<string, MapOverride>>;
}
