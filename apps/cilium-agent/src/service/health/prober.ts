import type { Logger } from '@cilium-ts/core';
import { createProbeBook } from './probe-book.ts';
import type { ProbedHealth, ProbeThresholds } from './probe-book.ts';
import type { ProbeTarget } from './probe.ts';

/** Asks backends, again and again, whether they are there. */
export interface Prober {
  /** Makes the backends that are asked these, by a name of the caller's. Those that go are forgotten. */
  update(targets: ReadonlyMap<string, ProbeTarget>): void;
  close(): void;
}

/** What a prober works with. */
export interface ProberDeps {
  readonly probe: (target: ProbeTarget, timeoutMs: number) => Promise<boolean>;
  /** Told when a backend's health changes; `active` also stands for one that is no longer asked. */
  readonly changed: (backend: string, health: ProbedHealth) => void;
  readonly logger: Logger;
}

/** Failures and successes in a row that count, as Kubernetes' readiness probes by default (3) and a little more caution than it (1) for what was gone. */
const THRESHOLDS: ProbeThresholds = { fall: 3, rise: 2 };

/** A prober that asks each backend every `intervalMs`, the first time at a moment of its own within that, so that not all are asked at once. */
export const createProber = ({ probe, changed, logger }: ProberDeps, options: { readonly intervalMs: number; readonly timeoutMs: number }): Prober => {
  const { intervalMs, timeoutMs } = options;
  const book = createProbeBook(THRESHOLDS);
  const asked = new Map<string, { readonly target: ProbeTarget; timer: NodeJS.Timeout | undefined }>();

  const turn = async (backend: string): Promise<void> => {
    const entry = asked.get(backend);
    if (!entry) return;
    const ok = await probe(entry.target, timeoutMs);
    // It may have gone, or become another, meanwhile.
    if (asked.get(backend) !== entry) return;
    const health = book.record(backend, ok);
    if (health) {
      logger.warn({ backend, health }, health === 'active' ? 'backend answers again' : 'backend does not answer and is quarantined');
      changed(backend, health);
    }
    schedule(backend, intervalMs);
  };
  const schedule = (backend: string, delay: number): void => {
    const entry = asked.get(backend)!;
    entry.timer = setTimeout(() => { void turn(backend); }, delay);
    entry.timer.unref();
  };
  const drop = (backend: string): void => {
    clearTimeout(asked.get(backend)?.timer);
    asked.delete(backend);
    const was = book.health(backend);
    book.forget(backend);
    if (was !== 'active') changed(backend, 'active');
  };

  return {
    update(targets) {
      for (const [backend, { target }] of asked) if (!same(targets.get(backend), target)) drop(backend);
      for (const [backend, target] of targets) {
        if (asked.has(backend)) continue;
        asked.set(backend, { target, timer: undefined });
        schedule(backend, Math.random() * intervalMs);
      }
    },
    close() {
      for (const { timer } of asked.values()) clearTimeout(timer);
      asked.clear();
    },
  };
};

const same = (a: ProbeTarget | undefined, b: ProbeTarget): boolean => a !== undefined && a.address === b.address && a.port === b.port && JSON.stringify(a.probe) === JSON.stringify(b.probe);
