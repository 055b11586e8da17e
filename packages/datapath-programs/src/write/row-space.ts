/** A run of free words. */
interface FreeRun {
  offset: number;
  count: number;
}

/** Hands out runs of an array: first fit, neighbours joined again when freed. */
export interface RowSpace {
  /** Words that are free, in however many pieces. */
  readonly free: number;
  /** The offset of a free run, or undefined when none is long enough. */
  take(count: number): number | undefined;
  /** Takes exactly this run, which a previous process took. False when part of it is taken already. */
  claim(offset: number, count: number): boolean;
  /** Gives a run back. */
  give(offset: number, count: number): void;
}

/** Space of `size` words whose first `reserved` ones are never handed out (a row reference of 0 means "none"). */
export function createRowSpace(size: number, reserved: number): RowSpace {
  const runs: FreeRun[] = [{ offset: reserved, count: size - reserved }];
  let free = size - reserved;

  const cut = (index: number, run: FreeRun, offset: number, count: number): void => {
    const before = { offset: run.offset, count: offset - run.offset };
    const after = { offset: offset + count, count: run.offset + run.count - offset - count };
    runs.splice(index, 1, ...[before, after].filter((part) => part.count > 0));
    free -= count;
  };

  return {
    get free() {
      return free;
    },
    take(count) {
      const index = runs.findIndex((run) => run.count >= count);
      const run = runs[index];
      if (run === undefined) return undefined;
      const { offset } = run;
      cut(index, run, offset, count);
      return offset;
    },
    claim(offset, count) {
      const index = runs.findIndex((run) => run.offset <= offset && run.offset + run.count >= offset + count);
      const run = runs[index];
      if (run === undefined) return false;
      cut(index, run, offset, count);
      return true;
    },
    give(offset, count) {
      let index = runs.findIndex((run) => run.offset > offset);
      if (index === -1) index = runs.length;
      runs.splice(index, 0, { offset, count });
      free += count;
      join(runs, index);
      join(runs, index - 1);
    },
  };
}

/** Joins the run at `index` with its successor where they touch. */
function join(runs: FreeRun[], index: number): void {
  const run = runs[index];
  const next = runs[index + 1];
  if (run === undefined || next === undefined || run.offset + run.count !== next.offset) return;
  run.count += next.count;
  runs.splice(index + 1, 1);
}
