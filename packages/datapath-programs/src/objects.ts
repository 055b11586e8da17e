import type { ObjectName } from '@cilium-ts/datapath-layout';

/**
 * Where a compiled object of this package lies. The path is the same from `src/` and from `dist/`, into which
 * everything is bundled, so this must stay a file directly in `src/`.
 */
export function objectPath(name: ObjectName): URL {
  return new URL(`../objects/${name}.o`, import.meta.url);
}
