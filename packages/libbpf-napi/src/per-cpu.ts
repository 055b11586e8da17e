import { native } from './native.ts';

let cpus: number | undefined;

/** How many CPUs this machine can ever have: the number of slots in a per-CPU value (/sys/devices/system/cpu/possible). */
export const possibleCpus = (): number => (cpus ??= native().possibleCpus());

/** Slots of per-CPU values are padded to 8 bytes (kernel/bpf/syscall.c, bpf_map_value_size). */
export const perCpuSlotSize = (valueSize: number): number => (valueSize + 7) & ~7;

/**
 * The values of one entry of a per-CPU map, one view per possible CPU; nothing is copied.
 * @param value what lookup() returned
 * @param valueSize the size of one CPU's value: `map.info.valueSize`
 */
export const splitPerCpu = (value: Uint8Array, valueSize: number): Uint8Array[] => {
  const slot = perCpuSlotSize(valueSize);
  if (valueSize <= 0 || value.length % slot !== 0) throw new RangeError(`value: ${value.length} bytes are no multiple of ${slot}, the slot of a ${valueSize}-byte value`);
  return Array.from({ length: value.length / slot }, (_, cpu) => value.subarray(cpu * slot, cpu * slot + valueSize));
};

/** The reverse of splitPerCpu: one buffer for update() from one value per possible CPU. */
export const joinPerCpu = (values: readonly Uint8Array[], valueSize: number): Uint8Array => {
  const slot = perCpuSlotSize(valueSize);
  const joined = new Uint8Array(slot * values.length);
  for (const [cpu, value] of values.entries()) {
    if (value.length !== valueSize) throw new RangeError(`values[${cpu}]: expected ${valueSize} bytes, got ${value.length}`);
    joined.set(value, cpu * slot);
  }
  return joined;
};
