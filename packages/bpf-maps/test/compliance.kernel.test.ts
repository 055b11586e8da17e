import { createMap, possibleCpus } from 'libbpf-napi';
import { describe, expect, it } from 'vitest';
import { rawMapCompliance } from '../src/compliance.ts';
import type { MemoryMapOptions, RawMap } from '../src/index.ts';

/** Kernel maps exist as long as their handle: nothing is pinned, nothing is left behind. */
const create = ({ type, keySize, valueSize, maxEntries }: MemoryMapOptions): RawMap => createMap({ type, keySize, valueSize, maxEntries, name: 'ct_compliance' });

describe('maps in the kernel', () => {
  for (const each of rawMapCompliance()) {
    it(each.name, () => {
      expect(each.run({ create, cpus: possibleCpus() })).toBeUndefined();
    });
  }
});
