import { basename } from 'node:path';
import { checkInteger, checkString, describe, U32_MAX } from './arguments.ts';
import { Btf } from './btf.ts';
import { failure, LibbpfError } from './error.ts';
import { check, HandleBox, unwrap } from './handle.ts';
import { BpfObject, type LoadedSpec } from './loaded-object.ts';
import { notFound } from './not-found.ts';
import type { BpfMap } from './map.ts';
import { mapTypeName } from './map-type.ts';
import { native } from './native.ts';
import type { ObjectHandle, RawInnerMap } from './native-binding.ts';
import { encodeVariable, type ConfigValue } from './object-config.ts';
import { objectVariables, type TypedVariable } from './object-variables.ts';
import type { InnerMap, MapOverride, ObjectMap, ObjectProgram, ObjectVariable, OpenOptions } from './object-spec.ts';
import { programTypeName, programTypeNumber, type ProgramType } from './program-type.ts';

/**
 * A BPF object that has been read but not loaded: here, and only here, it can be configured. load() turns it into a
 * BpfObject. Nothing is in the kernel yet.
 */
export class OpenObject implements Disposable {
  readonly #box: HandleBox<ObjectHandle>;
  readonly #name: string;
  #btf: Btf | undefined;
  #variables: ReadonlyMap<string, TypedVariable> | undefined;

  /** Use openObject(). */
  constructor(handle: ObjectHandle, name: string) {
    this.#box = new HandleBox(handle, `object '${name}' (closed, or loaded already)`);
    this.#name = name;
  }

  /** The maps by name, as they are configured now. */
  get maps(): ReadonlyMap<string, ObjectMap> {
    const handle = this.#handle('listing maps');
    return new Map(native().objectMaps(handle).map(([name, type, keySize, valueSize, maxEntries, flags, internal, pinPath]) =>
      [name, { name, type: mapTypeName(type), keySize, valueSize, maxEntries, flags, internal, pinPath, inner: innerMap(native().objectInnerMap(handle, name)) }]));
  }

  /** The programs by name, as they are configured now. */
  get programs(): ReadonlyMap<string, ObjectProgram> {
    return new Map(native().objectPrograms(this.#handle('listing programs')).map(([name, section, type, , autoload]) =>
      [name, { name, section, type: programTypeName(type), autoload }]));
  }

  /** The global variables by name. */
  get variables(): ReadonlyMap<string, ObjectVariable> {
    return this.#allVariables();
  }

  /** The object's type information. @throws LibbpfError `BTF_INVALID` when it was compiled without -g */
  get btf(): Btf {
    if (this.#btf !== undefined) return this.#btf;
    const raw = native().objectBtf(this.#handle('reading type information'));
    if (raw === undefined) throw new LibbpfError('BTF_INVALID', `reading type information of object '${this.#name}': there is none: compile with clang -g`);
    return (this.#btf = Btf.parse(raw));
  }

  /**
   * Sets a global variable, mostly a `const volatile` one (a constant for the verifier, which drops what it makes
   * unreachable). Integers take numbers or bigints, `bool` booleans, arrays and structs bytes.
   * @throws LibbpfError `NOT_FOUND`; TypeError or RangeError when the value does not fit the variable
   */
  setConfig(name: string, value: ConfigValue): this {
    const variable = this.#allVariables().get(checkString(name, 'name'));
    if (variable === undefined) throw notFound('variable', name, this.#name, this.#allVariables().keys());
    const bytes = encodeVariable(this.btf, variable, value);
    const action = `setting variable '${name}' of object '${this.#name}'`;
    check(native().objectSetInitial(this.#handle('setting a variable'), variable.section, variable.offset, bytes), action);
    return this;
  }

  /** The bytes that a global variable has now. @throws LibbpfError `NOT_FOUND` */
  getConfig(name: string): Uint8Array {
    const variable = this.#allVariables().get(checkString(name, 'name'));
    if (variable === undefined) throw notFound('variable', name, this.#name, this.#allVariables().keys());
    const action = `reading variable '${name}' of object '${this.#name}'`;
    return unwrap(native().objectGetInitial(this.#handle('reading a variable'), variable.section), action).slice(variable.offset, variable.offset + variable.size);
  }

  setMapMaxEntries(map: string, maxEntries: number): this {
    checkInteger(maxEntries, 'maxEntries', 1, U32_MAX);
    return this.#onMap(map, 'setting the size', (handle) => native().objectSetMaxEntries(handle, map, maxEntries));
  }

  /** See MapOverride.pinPath; `undefined` takes back what the object file asks for. */
  setPinPath(map: string, path: string | undefined): this {
    if (path !== undefined) checkString(path, 'path');
    return this.#onMap(map, 'setting the pin path', (handle) => native().objectSetPinPath(handle, map, path));
  }

  /** Makes the programs use an existing map of the same shape. The given handle stays the caller's to close. */
  reuseMap(map: string, existing: BpfMap): this {
    const other = existing.handle(`re-using a map as '${map}'`);
    return this.#onMap(map, 're-using another map', (handle) => native().objectReuseMap(handle, map, other));
  }

  /**
   * Gives a map of maps the shape of its inner maps, in place of what the object declares: that of `template`, which
   * stays the caller's to close. Once only for each map.
   */
  setInnerMap(map: string, template: BpfMap): this {
    const inner = template.handle(`using a map as the template of '${map}'`);
    return this.#onMap(map, 'setting the inner map', (handle) => native().objectSetInnerMap(handle, map, inner));
  }

  /** Leaves a program out of load(), or takes it in. */
  setAutoload(program: string, autoload: boolean): this {
    if (typeof autoload !== 'boolean') throw new TypeError(`autoload: expected a boolean, got ${describe(autoload)}`);
    return this.#onProgram(program, 'setting autoload', (handle) => native().objectSetAutoload(handle, program, autoload));
  }

  /** Overrules the type that the program's section implies. */
  setProgramType(program: string, type: ProgramType, expectedAttachType = 0): this {
    const number = programTypeNumber(type);
    checkInteger(expectedAttachType, 'expectedAttachType', 0, U32_MAX);
    return this.#onProgram(program, 'setting the type', (handle) => native().objectSetProgramType(handle, program, number, expectedAttachType));
  }

  /**
   * Creates the maps and has the programs verified, on a thread of the pool: that can take seconds. The object is used
   * up by it, also on failure.
   * @throws LibbpfError with `log`, the verifier's reasons, whole
   */
  async load(): Promise<BpfObject> {
    const { handle, spec } = this.#take();
    const [status, log] = await native().objectLoadAsync(handle);
    return this.#finish(handle, spec, status, log);
  }

  /** load() on the calling thread. */
  loadSync(): BpfObject {
    const { handle, spec } = this.#take();
    const status = native().objectLoad(handle);
    return this.#finish(handle, spec, status, native().takeLog());
  }

  /** Forgets the object. Idempotent. */
  close(): void {
    this.#box.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #handle(action: string): ObjectHandle {
    return this.#box.get(`${action} of object '${this.#name}'`);
  }

  #allVariables(): ReadonlyMap<string, TypedVariable> {
    return (this.#variables ??= objectVariables(this.btf, this.maps.keys()));
  }

  #take(): { handle: ObjectHandle; spec: LoadedSpec } {
    const spec = { name: this.#name, maps: this.maps, programs: this.programs, variables: this.#hasBtf() ? this.variables : new Map<string, never>() };
    return { handle: this.#box.take(`loading object '${this.#name}'`), spec };
  }

  #hasBtf(): boolean {
    return this.#btf !== undefined || native().objectBtf(this.#handle('reading type information')) !== undefined;
  }

  #finish(handle: ObjectHandle, spec: LoadedSpec, status: number, log: string | undefined): BpfObject {
    if (status >= 0) return new BpfObject(handle, spec);
    native().close(handle);
    throw failure(status, `loading object '${this.#name}'`, { log, syscall: 'bpf(BPF_PROG_LOAD)' });
  }

  #onMap(map: string, verb: string, change: (handle: ObjectHandle) => number): this {
    const action = `${verb} of map '${map}' in object '${this.#name}'`;
    const handle = this.#handle(verb);
    if (!this.maps.has(map)) throw notFound('map', map, this.#name, this.maps.keys());
    check(change(handle), action);
    return this;
  }

  #onProgram(program: string, verb: string, change: (handle: ObjectHandle) => number): this {
    const action = `${verb} of program '${program}' in object '${this.#name}'`;
    const handle = this.#handle(verb);
    if (!this.programs.has(program)) throw notFound('program', program, this.#name, this.programs.keys());
    check(change(handle), action);
    return this;
  }
}

/**
 * Reads a BPF object file (or its bytes) as clang makes it: `clang -g -O2 -target bpf -c x.bpf.c -o x.bpf.o`.
 * @throws LibbpfError `ENOENT` without such a file, `LIBBPF_FORMAT`, `LIBBPF_LIBELF` … when it is no BPF object,
 * `NOT_FOUND` when `options.maps` names a map that it does not have
 */
export const openObject = (source: string | Uint8Array, options: OpenOptions = {}): OpenObject => {
  if (!(source instanceof Uint8Array)) checkString(source, 'source');
  if (options.name !== undefined) checkString(options.name, 'options.name');
  const name = options.name ?? (typeof source === 'string' ? basename(source).replace(/\..*$/, '') : 'object');
  const path = typeof source === 'string' ? source : undefined;
  const opened = new OpenObject(unwrap(native().objectOpen(source, name), `opening ${path === undefined ? `object '${name}'` : path}`, { path }), name);
  try {
    for (const [map, override] of Object.entries(options.maps ?? {})) applyOverride(opened, map, override);
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
};

const innerMap = (raw: RawInnerMap | undefined): InnerMap | undefined => {
  if (raw === undefined) return undefined;
  const [type, keySize, valueSize, maxEntries, flags] = raw;
  return { type: mapTypeName(type), keySize, valueSize, maxEntries, flags };
};

const applyOverride = (opened: OpenObject, map: string, { maxEntries, pinPath, reuse, inner }: MapOverride): void => {
  if (maxEntries !== undefined) opened.setMapMaxEntries(map, maxEntries);
  if (pinPath !== undefined) opened.setPinPath(map, pinPath);
  if (reuse !== undefined) opened.reuseMap(map, reuse);
  if (inner !== undefined) opened.setInnerMap(map, inner);
  if (!opened.maps.has(map)) throw notFound('map', map, 'options.maps', opened.maps.keys());
};
