import type { GraceMark, GraceTracker } from './grace.ts';

/**
 * Keeps the rule that a hash which programs read receives only inserts between two grace periods: the kernel
 * hands out a deleted element at once, while a reader may still hold it and would see another key's value.
 */
export interface InsertGate {
  /** Resolves when nothing deleted is still held by a reader: at once unless something was deleted just now. */
  opened(): Promise<void>;
  readonly isOpen: boolean;
  /** To be called after every deletion and every replacement. Begins a grace period in the background. */
  close(): void;
}

/** A gate, open at first. */
export function createInsertGate(grace: GraceTracker): InsertGate {
  let closedSince: GraceMark = 0;
  return {
    opened: () => grace.wait(closedSince),
    get isOpen() {
      return grace.passed(closedSince);
    },
    close() {
      closedSince = grace.mark();
      grace.start(closedSince);
    },
  };
}
