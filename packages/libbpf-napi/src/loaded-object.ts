import { HandleBox, unwrap } from './handle.ts';
import { BpfMap } from './map.ts';
import { native } from './native.ts';
import type { ObjectHandle } from './native-binding.ts';
import { notFound } from './not-found.ts';
import type { ObjectMap, ObjectProgram, ObjectVariable } from './object-spec.ts';
import { Program } from './program.ts';

export interface LoadedSpec {
  readonly name: string;
  readonly maps: ReadonlyMap<string, ObjectMap>;
  readonly programs: ReadonlyMap<string, ObjectProgram>;
  readonly variables: ReadonlyMap<string, ObjectVariable>;
}

/**
 * A loaded object: its maps exist, its programs are verified. The map and program handles it gives out belong to it
 * and are closed with it; dup() makes one with a life of its own.
 */
export class BpfObject implements Disposable {
  /** As loaded. */
  readonly maps: ReadonlyMap<string, ObjectMap>;
  /** As loaded; those without autoload are not in the kernel. */
  readonly programs: ReadonlyMap<string, ObjectProgram>;
  /** Where global variables are: for map('.bss') and its like, through lookup() or mmap(). */
  readonly variables: ReadonlyMap<string, ObjectVariable>;
  readonly #name: string;
  readonly #box: HandleBox<ObjectHandle>;
  readonly #mapHandles = new Map<string, BpfMap>();
  readonly #programHandles = new Map<string, Program>();

  /** Use OpenObject.load(). Takes ownership of the handle. */
  constructor(handle: ObjectHandle, spec: LoadedSpec) {
    this.#name = spec.name;
    this.#box = new HandleBox(handle, `object '${spec.name}'`);
    this.maps = spec.maps;
    this.programs = spec.programs;
    this.variables = spec.variables;
  }

  get closed(): boolean {
    return this.#box.closed;
  }

  /** A map by its C name; global data by its section: `.rodata`, `.data`, `.bss`. @throws LibbpfError `NOT_FOUND` */
  map(name: string): BpfMap {
    const object = this.#box.get(`using map '${name}'`);
    if (!this.maps.has(name)) throw notFound('map', name, this.#name, this.maps.keys());
    const known = this.#mapHandles.get(name);
    if (known !== undefined && !known.closed) return known;
    const map = new BpfMap(unwrap(native().objectMap(object, name), `using map '${name}' of object '${this.#name}'`));
    this.#mapHandles.set(name, map);
    return map;
  }

  /** A program by the name of its C function. @throws LibbpfError `NOT_FOUND` */
  program(name: string): Program {
    const object = this.#box.get(`using program '${name}'`);
    if (this.programs.get(name)?.autoload !== true) throw notFound('loaded program', name, this.#name, [...this.programs.values()].filter((p) => p.autoload).map((p) => p.name));
    const known = this.#programHandles.get(name);
    if (known !== undefined && !known.closed) return known;
    const program = new Program(unwrap(native().objectProgram(object, name), `using program '${name}' of object '${this.#name}'`), `program '${name}'`);
    this.#programHandles.set(name, program);
    return program;
  }

  /** Closes every handle given out, then the object. Pinned and attached things stay in the kernel. Idempotent. */
  close(): void {
    for (const program of this.#programHandles.values()) program.close();
    for (const map of this.#mapHandles.values()) map.close();
    this.#box.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
