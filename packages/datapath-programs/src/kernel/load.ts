import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorMessage, type Logger } from '@cilium-ts/core';
import { CONFIG_VARIABLES, MAPS, type DatapathConfig, type MapName } from '@cilium-ts/datapath-layout';
import { ensureBpffs, openObject, openPinnedMap, removePin, type BpfMap, type BpfObject, type OpenObject, type Program } from 'libbpf-napi';
import type { DatapathOptions, MapSizes } from '../datapath.ts';
import { DatapathError } from '../error.ts';
import { objectPath } from '../objects.ts';
import { OWN_MOUNT } from './cleanup.ts';
import { checkFeatures, explainLoadFailure } from './probe.ts';

/** Programs and maps in the kernel, pinned. */
export interface LoadedDatapath {
  readonly maps: Readonly<Record<MapName, BpfMap>>;
  readonly programs: { readonly fromContainer: Program; readonly toContainer: Program };
  close(): void;
}

const NAMES = Object.keys(MAPS) as MapName[];
const FROM_CONTAINER = 'cil_from_container';
const TO_CONTAINER = 'cil_to_container';
const CLOCK = 'cil_clock';

/** Loads bpf_lxc with its configuration over the pinned maps, and pins what is new. */
export async function loadPrograms(options: DatapathOptions, logger: Logger): Promise<LoadedDatapath> {
  checkFeatures();
  preparePins(options.bpfRoot);
  const config = { jiffiesPerSecond: await measureJiffies(), ...options.config };
  const pinned = openPinned(options.bpfRoot, options.sizes ?? {});
  const object = await load(pinned, config, options.sizes ?? {});
  try {
    const maps = Object.fromEntries(NAMES.map((name) => [name, object.map(name)])) as Record<MapName, BpfMap>;
    for (const name of NAMES) if (!pinned.has(name)) maps[name].pin(join(options.bpfRoot, name));
    const programs = { fromContainer: object.program(FROM_CONTAINER), toContainer: object.program(TO_CONTAINER) };
    for (const [name, program] of [[FROM_CONTAINER, programs.fromContainer], [TO_CONTAINER, programs.toContainer]] as const) replacePin(join(options.bpfRoot, 'programs', name), program);
    logger.info({ bpfRoot: options.bpfRoot, reusedMaps: pinned.size, instructions: programs.fromContainer.info.verifiedInstructions + programs.toContainer.info.verifiedInstructions }, 'datapath loaded');
    return { maps, programs, close: () => object.close() };
  } catch (cause) {
    object.close();
    throw new DatapathError('map-failed', `pin the datapath under ${options.bpfRoot}: ${errorMessage(cause)}`, { cause });
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

/** The maps of a previous run. @throws DatapathError `layout-mismatch` when one of them has another shape or size */
function openPinned(bpfRoot: string, sizes: MapSizes): Map<MapName, BpfMap> {
  const found = new Map<MapName, BpfMap>();
  for (const name of NAMES) {
    const path = join(bpfRoot, name);
    if (!existsSync(path)) continue;
    const map = openPinnedMap(path);
    found.set(name, map);
    const spec = { ...MAPS[name], maxEntries: sizeOf(sizes, name) };
    const { type, keySize, valueSize, maxEntries } = map.info;
    if (type === spec.type && keySize === spec.keySize && valueSize === spec.valueSize && maxEntries === spec.maxEntries) continue;
    for (const each of found.values()) each.close();
    throw new DatapathError(
      'layout-mismatch',
      `take over ${path}: it is a ${type} of ${maxEntries} entries with keys of ${keySize} and values of ${valueSize} bytes, but a ${spec.type} of ${spec.maxEntries} with ${spec.keySize} and ${spec.valueSize} is needed; run \`cilium cleanup\` (connections are interrupted), or start with the version or sizes that made it`,
    );
  }
  return found;
}

function sizeOf(sizes: MapSizes, name: MapName): number {
  const chosen = (sizes as Partial<Record<MapName, number>>)[name];
  if (chosen !== undefined && (!Number.isInteger(chosen) || chosen < 1)) throw new RangeError(`sizes.${name}: expected a whole number from 1 up, got ${chosen}`);
  return chosen ?? MAPS[name].maxEntries;
}

async function load(pinned: ReadonlyMap<MapName, BpfMap>, config: DatapathConfig, sizes: MapSizes): Promise<BpfObject> {
  const object = openObjectFile();
  try {
    for (const name of NAMES) {
      const map = pinned.get(name);
      if (map !== undefined) object.reuseMap(name, map);
      else object.setMapMaxEntries(name, sizeOf(sizes, name));
    }
    configure(object, config);
    object.setAutoload(CLOCK, false);
    return await object.load();
  } catch (cause) {
    object.close();
    throw explainLoadFailure(cause);
  }
}

function openObjectFile(): OpenObject {
  const path = fileURLToPath(objectPath('bpf_lxc'));
  if (!existsSync(path)) throw new DatapathError('object-missing', `open ${path}: there is no such file; in a checkout run \`npm run setup\`, which compiles it`);
  return openObject(path);
}

function configure(object: OpenObject, config: DatapathConfig): void {
  for (const [field, value] of Object.entries(config)) {
    const variable = CONFIG_VARIABLES[field as keyof DatapathConfig];
    if (variable === undefined) throw new TypeError(`config.${field}: there is no such configuration`);
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (variable.size * 8)) throw new RangeError(`config.${field}: ${String(value)} does not fit ${variable.size} bytes`);
    object.setConfig(`config_${variable.variable.replace(/^config_/, '')}`, value);
  }
}

/** Pins under a name that may be taken, without a moment in which it is missing. */
function replacePin(path: string, program: Program): void {
  removePin(`${path}-new`);
  program.pin(`${path}-new`);
  renameSync(`${path}-new`, path);
}

/** The kernel's CONFIG_HZ, which it tells nobody: jiffies and nanoseconds of two test runs 100 ms apart. */
async function measureJiffies(): Promise<number> {
  const object = openObjectFile();
  for (const name of NAMES) object.setMapMaxEntries(name, name === 'cilium_events' ? 4096 : 1);
  object.setAutoload(FROM_CONTAINER, false).setAutoload(TO_CONTAINER, false);
  let loaded: BpfObject | undefined;
  try {
    loaded = await object.load();
    const clock = loaded.program(CLOCK);
    const first = readClock(clock);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = readClock(clock);
    const measured = (Number(second.jiffies - first.jiffies) * 1e9) / Number(second.nanoseconds - first.nanoseconds);
    return [100, 250, 300, 1000].reduce((best, rate) => (Math.abs(Math.log(rate / measured)) < Math.abs(Math.log(best / measured)) ? rate : best));
  } catch (cause) {
    throw explainLoadFailure(cause);
  } finally {
    loaded?.close();
  }
}

function readClock(program: Program): { jiffies: bigint; nanoseconds: bigint } {
  const { dataOut } = program.testRun({ data: new Uint8Array(64) });
  const view = new DataView(dataOut.buffer, dataOut.byteOffset);
  return { jiffies: view.getBigUint64(0, true), nanoseconds: view.getBigUint64(8, true) };
}
