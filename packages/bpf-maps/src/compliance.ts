import { arrayCases, perCpuCases } from './compliance/array-cases.ts';
import type { ComplianceCase } from './compliance/case.ts';
import { failsWith, same } from './compliance/check.ts';
import { hashCases } from './compliance/hash-cases.ts';
import { lpmCases } from './compliance/lpm-cases.ts';

export type { ComplianceCase, ComplianceTarget } from './compliance/case.ts';

const closing: ComplianceCase = {
  name: 'any type: closes once and for all',
  run(target) {
    const map = target.create({ type: 'hash', keySize: 8, valueSize: 4, maxEntries: 4, cpus: target.cpus });
    same([map.keySize, map.valueSize, map.maxEntries], [8, 4, 4], 'sizes');
    map.close();
    map.close();
    failsWith('HANDLE_CLOSED', () => map.lookup(new Uint8Array(8)), 'look-up in a closed map');
    failsWith('HANDLE_CLOSED', () => map.update(new Uint8Array(8), new Uint8Array(4)), 'update of a closed map');
  },
};

/**
 * What every implementation of RawMap does the same, as cases for any test runner:
 * `for (const each of rawMapCompliance()) it(each.name, () => each.run({ create, cpus }))`.
 */
export function rawMapCompliance(): readonly ComplianceCase[] {
  return [
    ...hashCases('hash'),
    ...hashCases('lru_hash'),
    ...hashCases('percpu_hash'),
    ...hashCases('lru_percpu_hash'),
    ...arrayCases('array'),
    ...arrayCases('percpu_array'),
    ...perCpuCases('percpu_array'),
    ...perCpuCases('percpu_hash'),
    ...lpmCases(),
    closing,
  ];
}
