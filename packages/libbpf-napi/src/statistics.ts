import { HandleBox, unwrap } from './handle.ts';
import { native } from './native.ts';
import type { StatisticsHandle } from './native-binding.ts';

/** Statistics of all programs of the machine, on as long as this is open. Close it, or let `using` do so. */
export class Statistics implements Disposable {
  readonly #box: HandleBox<StatisticsHandle>;

  /** Use enableStatistics(). Takes ownership of the handle. */
  constructor(handle: StatisticsHandle) {
    this.#box = new HandleBox(handle, 'the handle of BPF statistics');
  }

  get closed(): boolean {
    return this.#box.closed;
  }

  /** Statistics are off again once nobody has them enabled; the counts stay. Idempotent. */
  close(): void {
    this.#box.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Has the kernel count the runs of every program and the time spent in them (Linux 5.8): ProgramInfo.runCount and
 * runTimeNs. It costs each run some 20 to 50 ns. They stay on until the last such handle is closed, whoever holds it, and
 * /proc/sys/kernel/bpf_stats_enabled is 0.
 * @throws LibbpfError `EPERM` without CAP_SYS_ADMIN
 */
export const enableStatistics = (): Statistics => new Statistics(unwrap(native().statsEnable(), 'enabling BPF statistics', { syscall: 'bpf(BPF_ENABLE_STATS)' }));
