import type { MemoryMapOptions } from '../memory-map.ts';
import type { RawMap } from '../raw-map.ts';

/** An implementation of RawMap to be checked. */
export interface ComplianceTarget {
  /** Makes an empty map; the suite closes it. */
  create(options: MemoryMapOptions): RawMap;
  /** How many CPUs' values an entry of a per-CPU map has. */
  readonly cpus: number;
}

/** One property that every implementation has. */
export interface ComplianceCase {
  readonly name: string;
  /** Returns if the target has it, and throws an Error that says what differs if not. */
  run(target: ComplianceTarget): void;
}

/** A case about one map, which is closed whatever happens. */
export function mapCase(name: string, options: MemoryMapOptions, check: (map: RawMap, target: ComplianceTarget) => void): ComplianceCase {
  return {
    name: `${options.type}: ${name}`,
    run(target) {
      const map = target.create({ ...options, cpus: target.cpus });
      try {
        check(map, target);
      } finally {
        map.close();
      }
    },
  };
}
