/** An object that could not be applied or removed. */
export interface Failure {
  readonly key: string;
  readonly error: unknown;
}

/** An object that must go. */
export interface Removal<D, A> {
  readonly key: string;
  /** As it was last wanted, if it ever was since the start. */
  readonly wanted: D | undefined;
  /** As the last full pass found it, if it did. */
  readonly actual: A | undefined;
}

/**
 * One kind of objects outside of the process, which nobody else writes. Calls never overlap. What a call throws counts
 * for every object of the call; a call that fails for some returns those, and the others count as done.
 */
export interface ReconcileTarget<D, A> {
  /** Every object that is there. */
  list(signal: AbortSignal): Iterable<A> | Promise<Iterable<A>>;
  /** Makes the objects be as wanted, whether they are there or not. Must bear being repeated. */
  apply(wanted: readonly D[], signal: AbortSignal): Iterable<Failure> | void | Promise<Iterable<Failure> | void>;
  /** Removes the objects; those that are not there are done. */
  remove(gone: readonly Removal<D, A>[], signal: AbortSignal): Iterable<Failure> | void | Promise<Iterable<Failure> | void>;
}
