import colors from 'picocolors';

/** A heading between the sections of the demo. */
export function heading(text: string): void {
  console.log(`\n${colors.bold(text)}`);
}

/** One line of prose or of a table, indented. */
export function line(text = ''): void {
  console.log(text === '' ? '' : `  ${text}`);
}

/** Colours for what was let through, what was dropped, and what went wrong; none unless a terminal reads. */
export const paint = { good: colors.green, bad: colors.red, drop: colors.yellow, dim: colors.dim };

/** Says on a terminal how far something is, and takes it back at the end; elsewhere says nothing. */
export function counter(total: number, what: string): { step(): void; done(): void } {
  let done = 0;
  const visible = process.stdout.isTTY;
  return {
    step: () => {
      done += 1;
      if (visible) process.stdout.write(`\r  ${done} of ${total} ${what}`);
    },
    done: () => {
      if (visible) process.stdout.write('\r\u001b[K');
    },
  };
}
