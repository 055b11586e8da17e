import { kill, pid } from 'node:process';

/** Steps at which a test may have the agent killed. */
export type FailpointName =
  | 'endpoint-recorded'
  | 'endpoint-wired'
  | 'endpoint-in-kernel'
  | 'endpoint-before-ready'
  | 'endpoint-deleting'
  | 'labels-recorded'
  | 'labels-in-kernel'
  | 'policy-recorded'
  | 'policy-compiled'
  | 'policy-in-kernel'
  | 'service-recorded'
  | 'services-compiled'
  | 'services-in-kernel'
  | 'state-file-written';

/** Called at each step; dies there if this is the step asked for. */
export type Failpoint = (name: FailpointName) => void;

/** Makes the agent die by SIGKILL (no handler runs, nothing is flushed) at the `nth` time it reaches the step: `name` or `name:nth`. */
export const createFailpoint = (spec: string | undefined): Failpoint => {
  if (spec === undefined) return () => undefined;
  const [wanted, nth = '1'] = spec.split(':');
  let left = Number(nth);
  return (name) => {
    if (name === wanted && --left === 0) {
      kill(pid, 'SIGKILL');
      // The signal may take a moment; nothing of what follows may happen.
      for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    }
  };
};
