import { failure } from './error.ts';
import { native } from './native.ts';

/**
 * Waits until every program run that was under way has ended: what was taken out of a map before is then used by
 * nobody. membarrier(MEMBARRIER_CMD_GLOBAL), Linux 4.3, on a thread of the pool; takes 8 to 14 ms.
 */
export const membarrierGlobal = async (): Promise<void> => {
  const [status] = await native().membarrier();
  if (status < 0) throw failure(status, 'waiting for a grace period', { syscall: 'membarrier' });
};
