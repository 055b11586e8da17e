// What the addon exports. Every function returns its result or a negative errno; libbpf's messages are fetched with
// takeLog(). Arguments are checked by the callers; the addon checks again only what memory safety needs.

declare const handleKind: unique symbol;
export type HandleKind = 'object' | 'map' | 'program' | 'link' | 'ring' | 'statistics';
/** An opaque, type-tagged pointer of the addon. */
export interface Handle<Kind extends HandleKind> {
  readonly [handleKind]: Kind;
}
export type ObjectHandle = Handle<'object'>;
export type MapHandle = Handle<'map'>;
export type ProgramHandle = Handle<'program'>;
export type LinkHandle = Handle<'link'>;
export type RingHandle = Handle<'ring'>;
export type StatisticsHandle = Handle<'statistics'>;

/** Zero or a negative errno. */
export type Status = number;
/** What a job on the thread pool resolves to. */
export type JobResult = [status: Status, log: string | undefined];

/** [name, type, keySize, valueSize, maxEntries, flags, internal, pinPath] */
export type RawMapSpec = [string, number, number, number, number, number, boolean, string | undefined];
/** [name, section, type, expectedAttachType, autoload] */
export type RawProgramSpec = [string, string, number, number, boolean];
/** [type, keySize, valueSize, maxEntries, flags, name, id, ifindex, btfId, btfKeyTypeId, btfValueTypeId] */
export type RawMapInfo = [number, number, number, number, number, string, number, number, number, number, number];
/** [type, id, name, tag, verifiedInstructions, jitedSize, translatedSize, loadTime, runTime, runCount, btfId, mapIds…] */
export type RawProgramInfo = [number, number, string, string, number, number, number, number, number, number, number, ...number[]];
/** [type, id, programId, three words of which each kind of link has its own use] */
export type RawLinkInfo = [number, number, number, number, number, number];
/** [type, keySize, valueSize, maxEntries, flags] */
export type RawInnerMap = [number, number, number, number, number];

export interface NativeBinding {
  takeLog(): string | undefined;
  membarrier(): Promise<JobResult>;
  mountBpffs(path: string): Status;
  possibleCpus(): number;
  libbpfVersion(): string;
  close(handle: Handle<HandleKind>): void;
  fd(handle: MapHandle | ProgramHandle | LinkHandle): number;
  pin(handle: MapHandle | ProgramHandle | LinkHandle, path: string): Status;

  objectOpen(source: string | Uint8Array, name: string | undefined): ObjectHandle | Status;
  objectMaps(object: ObjectHandle): RawMapSpec[];
  objectInnerMap(object: ObjectHandle, map: string): RawInnerMap | undefined;
  objectPrograms(object: ObjectHandle): RawProgramSpec[];
  objectBtf(object: ObjectHandle): Uint8Array | undefined;
  objectSetMaxEntries(object: ObjectHandle, map: string, maxEntries: number): Status;
  objectSetPinPath(object: ObjectHandle, map: string, path: string | undefined): Status;
  objectSetAutocreate(object: ObjectHandle, map: string, autocreate: boolean): Status;
  objectReuseMap(object: ObjectHandle, map: string, handle: MapHandle): Status;
  objectSetInnerMap(object: ObjectHandle, map: string, template: MapHandle): Status;
  objectSetAutoload(object: ObjectHandle, program: string, autoload: boolean): Status;
  objectSetProgramType(object: ObjectHandle, program: string, type: number, expectedAttachType: number): Status;
  objectGetInitial(object: ObjectHandle, map: string): Uint8Array | Status;
  objectSetInitial(object: ObjectHandle, map: string, offset: number, bytes: Uint8Array): Status;
  objectLoad(object: ObjectHandle): Status;
  objectLoadAsync(object: ObjectHandle): Promise<JobResult>;
  objectMap(object: ObjectHandle, name: string): MapHandle | Status;
  objectProgram(object: ObjectHandle, name: string): ProgramHandle | Status;

  mapCreate(type: number, name: string, keySize: number, valueSize: number, maxEntries: number, flags: number, inner: MapHandle | undefined, numaNode: number): MapHandle | Status;
  mapGetPinned(path: string): MapHandle | Status;
  mapById(id: number): MapHandle | Status;
  mapDup(map: MapHandle): MapHandle | Status;
  mapInfo(map: MapHandle): RawMapInfo | Status;
  mapLookup(map: MapHandle, key: Uint8Array, value: Uint8Array, flags: number): Status;
  mapLookupAndDelete(map: MapHandle, key: Uint8Array, value: Uint8Array): Status;
  mapUpdate(map: MapHandle, key: Uint8Array, value: Uint8Array, flags: number): Status;
  mapDelete(map: MapHandle, key: Uint8Array): Status;
  mapKeys(map: MapHandle, after: Uint8Array | undefined, keys: Uint8Array): number;
  mapLookupBatch(map: MapHandle, after: Uint8Array | undefined, next: Uint8Array, keys: Uint8Array, values: Uint8Array, count: Uint32Array): Status;
  mapUpdateBatch(map: MapHandle, keys: Uint8Array, values: Uint8Array, flags: number, count: Uint32Array): Status;
  mapDeleteBatch(map: MapHandle, keys: Uint8Array, count: Uint32Array): Status;
  mapFreeze(map: MapHandle): Status;
  mapMmap(map: MapHandle, length: number, writable: boolean): ArrayBuffer | Status;
  detach(buffer: ArrayBuffer): void;

  programGetPinned(path: string): ProgramHandle | Status;
  programById(id: number): ProgramHandle | Status;
  programDup(program: ProgramHandle): ProgramHandle | Status;
  programInfo(program: ProgramHandle): RawProgramInfo | Status;
  programTestRun(program: ProgramHandle, dataIn: Uint8Array | undefined, dataInSize: number, dataOut: Uint8Array | undefined, ctxIn: Uint8Array | undefined, ctxOut: Uint8Array | undefined, options: Uint32Array, result: Uint32Array): Status;

  tcxAttach(program: ProgramHandle, ifindex: number, attachType: number, flags: number): LinkHandle | Status;
  tcxQuery(ifindex: number, attachType: number): number[] | Status;
  linkGetPinned(path: string): LinkHandle | Status;
  linkById(id: number): LinkHandle | Status;
  linkUpdate(link: LinkHandle, program: ProgramHandle, expected: ProgramHandle | undefined): Status;
  linkDetach(link: LinkHandle): Status;
  linkInfo(link: LinkHandle): RawLinkInfo | Status;

  /** Of a cgroup's folder or a network namespace's file. */
  attachPath(program: ProgramHandle, path: string, attachType: number): LinkHandle | Status;
  /** [flags of the attachment, program ids…] */
  queryPath(path: string, attachType: number, queryFlags: number): [number, ...number[]] | Status;
  xdpAttach(program: ProgramHandle, ifindex: number, flags: number): LinkHandle | Status;
  xdpQuery(ifindex: number): [native: number, generic: number, offloaded: number] | Status;
  statsEnable(): StatisticsHandle | Status;

  clsactCreate(ifindex: number): Status;
  clsactDestroy(ifindex: number): Status;
  tcAttach(program: ProgramHandle, ifindex: number, egress: boolean, handle: number, priority: number, replace: boolean): [programId: number, handle: number, priority: number] | Status;
  tcDetach(ifindex: number, egress: boolean, handle: number, priority: number): Status;
  tcQuery(ifindex: number, egress: boolean, handle: number, priority: number): [programId: number, handle: number, priority: number] | Status;

  ringOpen(map: MapHandle, options: Uint32Array): RingHandle | Status;
  ringStart(ring: RingHandle, notify: () => void, keepAlive: boolean): Status;
  ringConsume(ring: RingHandle): Status;
  /** [data, offsets and lengths in pairs, records lost before this batch], or undefined when nothing is queued. */
  ringTake(ring: RingHandle): [Uint8Array, Uint32Array, number] | undefined;

  btfRead(source: string | Uint8Array): Uint8Array | Status;

  probeProgramType(type: number): number;
  probeMapType(type: number): number;
  probeHelper(programType: number, helper: number): number;
  probeTcx(): number;
}
