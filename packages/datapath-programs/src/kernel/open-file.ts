import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CONFIG_VARIABLES, type DatapathConfig, type ObjectName } from '@cilium-ts/datapath-layout';
import { openObject, type OpenObject } from 'libbpf-napi';
import { DatapathError } from '../error.ts';
import { objectPath } from '../objects.ts';

/** Reads an object file of this package. @throws DatapathError `object-missing` */
export function openObjectFile(name: ObjectName): OpenObject {
  const path = fileURLToPath(objectPath(name));
  if (!existsSync(path)) throw new DatapathError('object-missing', `open ${path}: there is no such file; in a checkout run \`npm run setup\`, which compiles it`);
  return openObject(path);
}

/**
 * Sets the configuration of an object that has been read. One configuration serves all objects: what an object does
 * not have is none of its business. @throws TypeError, RangeError
 */
export function configureObject(object: OpenObject, config: DatapathConfig): void {
  const known = object.variables;
  for (const [field, value] of Object.entries(config)) {
    const variable = CONFIG_VARIABLES[field as keyof DatapathConfig];
    if (variable === undefined) throw new TypeError(`config.${field}: there is no such configuration`);
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (variable.size * 8)) throw new RangeError(`config.${field}: ${String(value)} does not fit ${variable.size} bytes`);
    if (known.has(variable.variable)) object.setConfig(variable.variable, value);
  }
}
