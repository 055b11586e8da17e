import { checkInteger, checkString, U32_MAX } from './arguments.ts';
import { unwrap } from './handle.ts';
import { BpfMap } from './map.ts';
import { mapFlags, mapTypeNumber, type MapType } from './map-type.ts';
import { native } from './native.ts';

/** A map to be created. */
export interface MapSpec {
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  /** For a ring buffer, its size in bytes: a power of two and a multiple of the page size. */
  readonly maxEntries: number;
  /** At most 15 characters; letters, digits, `_` and `.` */
  readonly name?: string;
  /** See `mapFlags`. An LPM trie needs `mapFlags.noPrealloc`, which is added by itself. */
  readonly flags?: number;
  /** For an array or hash of maps: the shape of the inner ones, or any map that has it. See putInnerMap(). */
  readonly inner?: InnerMapSpec | BpfMap;
  readonly numaNode?: number;
}

/** The shape that every map inside a map of maps must have. */
export type InnerMapSpec = Omit<MapSpec, 'inner' | 'name' | 'numaNode'>;

/** Types whose values are maps. */
const OF_MAPS: readonly MapType[] = ['array_of_maps', 'hash_of_maps'];

const checkInner = ({ type, valueSize, inner }: MapSpec): void => {
  const takesInner = OF_MAPS.includes(type);
  if (takesInner && inner === undefined) throw new TypeError(`spec.inner: a map of type ${type} needs the shape of its inner maps`);
  if (!takesInner && inner !== undefined) throw new TypeError(`spec.inner: a map of type ${type} holds no maps`);
  // Written as a descriptor, read as an id: kernel/bpf/map_in_map.c
  if (takesInner && valueSize !== 4) throw new RangeError(`spec.valueSize: a map of type ${type} has values of 4 bytes, got ${valueSize}`);
};

/** Creates a map that belongs to no object. */
export const createMap = (spec: MapSpec): BpfMap => {
  checkInner(spec);
  if (spec.inner === undefined || spec.inner instanceof BpfMap) return create(spec, spec.inner);
  using template = create(spec.inner, undefined);
  return create(spec, template);
};

const create = (spec: MapSpec, inner: BpfMap | undefined): BpfMap => {
  const type = mapTypeNumber(spec.type, 'spec.type');
  const name = spec.name ?? '';
  if (!/^[A-Za-z0-9_.]{0,15}$/.test(name)) throw new TypeError(`spec.name: expected at most 15 letters, digits, '_' or '.', got ${JSON.stringify(name)}`);
  checkInteger(spec.keySize, 'spec.keySize', 0, U32_MAX);
  checkInteger(spec.valueSize, 'spec.valueSize', 0, U32_MAX);
  checkInteger(spec.maxEntries, 'spec.maxEntries', 0, U32_MAX);
  let flags = checkInteger(spec.flags ?? 0, 'spec.flags', 0, U32_MAX) | (spec.type === 'lpm_trie' ? mapFlags.noPrealloc : 0);
  if (spec.numaNode !== undefined) flags |= mapFlags.numaNode;
  const action = `creating map '${name}' (${spec.type}, ${spec.maxEntries} entries)`;
  return new BpfMap(unwrap(native().mapCreate(type, name, spec.keySize, spec.valueSize, spec.maxEntries, flags >>> 0, inner?.handle(action), spec.numaNode ?? 0), action, { syscall: 'bpf(BPF_MAP_CREATE)' }));
};

/** Opens a map by its path on a bpffs. @throws LibbpfError `ENOENT` when nothing is there, `EINVAL` when it is no map */
export const openPinnedMap = (path: string): BpfMap =>
  new BpfMap(unwrap(native().mapGetPinned(checkString(path, 'path')), `opening the pinned map ${path}`, { syscall: 'bpf(BPF_OBJ_GET)', path }));

/** Opens a map by its kernel id. @throws LibbpfError `ENOENT` when there is none */
export const openMapById = (id: number): BpfMap =>
  new BpfMap(unwrap(native().mapById(checkInteger(id, 'id', 1, U32_MAX)), `opening map ${id}`, { syscall: 'bpf(BPF_MAP_GET_FD_BY_ID)' }));
