import { spawn } from 'node:child_process';
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

/** At once: no handler runs, nothing is flushed. */
const dieNow = (): never => {
  kill(pid, 'SIGKILL');
  // The signal may take a moment; nothing of what follows may happen.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
};

/** In the middle of what follows, wherever it is then: by another process, as this one may not come to it. */
const dieSoon = (milliseconds: number): void => {
  spawn('sh', ['-c', `sleep ${milliseconds / 1000}; kill -9 ${pid}`], { detached: true, stdio: 'ignore' }).unref();
};

/** Makes the agent die by SIGKILL the `nth` time it reaches the step, or so many milliseconds after: `name`, `name:nth` or `name:nth+milliseconds`. */
export const createFailpoint = (spec: string | undefined): Failpoint => {
  if (spec === undefined) return () => undefined;
  const [, wanted, nth = '1', delay] = /^([^:]+)(?::(\d+)(?:\+(\d+))?)?$/.exec(spec) ?? [];
  let left = Number(nth);
  return (name) => {
    if (name !== wanted || --left !== 0) return;
    if (delay === undefined) dieNow();
    else dieSoon(Number(delay));
  };
};
