/** How often in a row a probe must fail, or succeed, before it counts. */
export interface ProbeThresholds {
  /** Failures until a backend is quarantined. */
  readonly fall: number;
  /** Successes until it is restored. */
  readonly rise: number;
}

/** What probing says of a backend. */
export type ProbedHealth = 'active' | 'quarantined';

/** What is known of probed backends. Pure: says what changes, probes nothing. */
export interface ProbeBook {
  /** Notes an outcome; the backend's health where this changes it. One that was never heard of begins as active. */
  record(backend: string, ok: boolean): ProbedHealth | undefined;
  health(backend: string): ProbedHealth;
  forget(backend: string): void;
}

/** An empty book. */
export const createProbeBook = ({ fall, rise }: ProbeThresholds): ProbeBook => {
  if (!Number.isInteger(fall) || fall < 1) throw new RangeError(`fall: expected a whole number from 1 up, got ${fall}`);
  if (!Number.isInteger(rise) || rise < 1) throw new RangeError(`rise: expected a whole number from 1 up, got ${rise}`);
  /** How often in a row the outcome was other than the health says. */
  const known = new Map<string, { health: ProbedHealth; against: number }>();
  return {
    record(backend, ok) {
      let entry = known.get(backend);
      if (!entry) known.set(backend, (entry = { health: 'active', against: 0 }));
      if (ok === (entry.health === 'active')) {
        entry.against = 0;
        return undefined;
      }
      if (++entry.against < (ok ? rise : fall)) return undefined;
      entry.health = ok ? 'active' : 'quarantined';
      entry.against = 0;
      return entry.health;
    },
    health: (backend) => known.get(backend)?.health ?? 'active',
    forget: (backend) => { known.delete(backend); },
  };
};
