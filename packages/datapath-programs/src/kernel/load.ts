import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, type Logger } from '@cilium-ts/core';
import { OBJECT_MAPS, type DatapathConfig, type ObjectMapName, type ObjectName } from '@cilium-ts/datapath-layout';
import { ensureBpffs, removePin, type BpfMap, type BpfObject, type Program } from 'libbpf-napi';
import type { MapSizes } from '../datapath.ts';
import { DatapathError } from '../error.ts';
import { OWN_MOUNT } from './cleanup.ts';
import { jiffiesPerSecond } from './jiffies.ts';
import { openPinnedMaps, sizeOf } from './object-maps.ts';
import { configureObject, openObjectFile } from './open-file.ts';
import { checkFeatures, explainLoadFailure } from './probe.ts';

/** Which programs of which object to load; its other programs stay out of the kernel. */
export interface ObjectSelection<Name extends ObjectName, ProgramName extends string> {
  readonly object: Name;
  /** Names of the C functions. Each is pinned under its name in `programs/`. */
  readonly programs: readonly ProgramName[];
}

/** Where the maps are and what the programs are told; the same for all objects that share maps. */
export interface LoadOptions {
  readonly bpfRoot: string;
  readonly config?: DatapathConfig;
  readonly sizes?: MapSizes;
}

/** Programs and maps of one object in the kernel, pinned. */
export interface LoadedObject<Name extends ObjectName, ProgramName extends string> {
  readonly maps: Readonly<Record<ObjectMapName<Name>, BpfMap>>;
  readonly programs: Readonly<Record<ProgramName, Program>>;
  /** Closes the handles; what is pinned stays. Idempotent. */
  close(): void;
}

/**
 * Loads programs of an object with their configuration over the maps pinned under `bpfRoot`, whichever object or run
 * made them, and pins what is new.
 * @throws DatapathError `not-permitted`, `feature-missing`, `not-bpffs`, `layout-mismatch`, `load-failed`, `map-failed`
 */
export async function loadObject<Name extends ObjectName, ProgramName extends string>(
  selection: ObjectSelection<Name, ProgramName>,
  options: LoadOptions,
  logger: Logger,
): Promise<LoadedObject<Name, ProgramName>> {
  checkFeatures(selection.object);
  preparePins(options.bpfRoot);
  const config = { ...options.config, jiffiesPerSecond: options.config?.jiffiesPerSecond ?? (await jiffiesPerSecond()) };
  const names: readonly ObjectMapName<Name>[] = OBJECT_MAPS[selection.object];
  const pinned = openPinnedMaps(options.bpfRoot, names, options.sizes ?? {});
  try {
    const object = await load(selection, pinned, { ...options, config });
    return pinObject(object, { selection, bpfRoot: options.bpfRoot, pinned, logger });
  } finally {
    for (const map of pinned.values()) map.close();
  }
}

function preparePins(bpfRoot: string): void {
  try {
    if (ensureBpffs(bpfRoot)) mkdirSync(join(bpfRoot, OWN_MOUNT));
    mkdirSync(join(bpfRoot, 'programs'), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new DatapathError('not-bpffs', `prepare ${bpfRoot} for pins: ${errorMessage(cause)}`, { cause });
  }
}

async function load<Name extends ObjectName>(
  selection: ObjectSelection<Name, string>,
  pinned: ReadonlyMap<ObjectMapName<Name>, BpfMap>,
  options: LoadOptions,
): Promise<BpfObject> {
  const object = openObjectFile(selection.object);
  const names: readonly ObjectMapName<Name>[] = OBJECT_MAPS[selection.object];
  try {
    for (const name of names) {
      const map = pinned.get(name);
      if (map !== undefined) object.reuseMap(name, map);
      else object.setMapMaxEntries(name, sizeOf(options.sizes ?? {}, name));
    }
    configureObject(object, options.config ?? {});
    for (const name of object.programs.keys()) object.setAutoload(name, selection.programs.includes(name));
    return await object.load();
  } catch (cause) {
    object.close();
    throw explainLoadFailure(cause);
  }
}

interface PinWork<Name extends ObjectName, ProgramName extends string> {
  readonly selection: ObjectSelection<Name, ProgramName>;
  readonly bpfRoot: string;
  readonly pinned: ReadonlyMap<ObjectMapName<Name>, BpfMap>;
  readonly logger: Logger;
}

function pinObject<Name extends ObjectName, ProgramName extends string>(object: BpfObject, work: PinWork<Name, ProgramName>): LoadedObject<Name, ProgramName> {
  const { selection, bpfRoot, pinned, logger } = work;
  try {
    const names: readonly ObjectMapName<Name>[] = OBJECT_MAPS[selection.object];
    const maps = Object.fromEntries(names.map((name) => [name, object.map(name)])) as Record<ObjectMapName<Name>, BpfMap>;
    for (const name of names) if (!pinned.has(name)) maps[name].pin(join(bpfRoot, name));
    const programs = Object.fromEntries(selection.programs.map((name) => [name, object.program(name)])) as Record<ProgramName, Program>;
    for (const name of selection.programs) replacePin(join(bpfRoot, 'programs', name), programs[name]);
    const instructions = selection.programs.reduce((sum, name) => sum + programs[name].info.verifiedInstructions, 0);
    logger.info({ object: selection.object, bpfRoot, reusedMaps: pinned.size, instructions }, selection.programs.length > 0 ? 'programs loaded' : 'maps made, no program loaded');
    return { maps, programs, close: () => object.close() };
  } catch (cause) {
    object.close();
    throw new DatapathError('map-failed', `pin ${selection.object} under ${bpfRoot}: ${errorMessage(cause)}`, { cause });
  }
}

/** Pins under a name that may be taken, without a moment in which it is missing. */
function replacePin(path: string, program: Program): void {
  removePin(`${path}-new`);
  program.pin(`${path}-new`);
  renameSync(`${path}-new`, path);
}
