import { readFileSync } from 'node:fs';

/** When the process started, in clock ticks since boot; undefined if there is none (or only its remains). With the pid this names one process for ever. */
export const processStart = (pid: number): string | undefined => {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything; the fields after the last ")" are state (3rd) … starttime (22nd), see proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
};
