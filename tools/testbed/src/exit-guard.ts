/** Something that must be removed before the process ends. */
export interface Guarded {
  removeNow(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const guarded = new Set<Guarded>();

const removeAll = (): void => {
  for (const one of [...guarded].reverse()) one.removeNow();
};

const onSignal = (signal: NodeJS.Signals): void => {
  removeAll();
  // Unless somebody else listens too, the signal does what it would have done without us.
  SIGNALS.forEach((name) => process.removeListener(name, onSignal));
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
};

/**
 * Has `one` removed when the process exits by itself, by an uncaught error or by a signal that can be caught; returns
 * what ends the guard. Listeners are installed only while something is guarded.
 */
export const guardExit = (one: Guarded): (() => void) => {
  if (guarded.size === 0) {
    process.on('exit', removeAll);
    SIGNALS.forEach((name) => process.on(name, onSignal));
  }
  guarded.add(one);
  return () => {
    guarded.delete(one);
    if (guarded.size > 0) return;
    process.removeListener('exit', removeAll);
    SIGNALS.forEach((name) => process.removeListener(name, onSignal));
  };
};
