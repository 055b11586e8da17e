const NOISE = /^$|^(libbpf: )?-- (BEGIN|END) PROG LOAD LOG --$|^processed \d+ insns|^(verification time|stack depth|max_states|peak_states|mark_read)/;
// What the verifier prints while it goes: instructions, register states, source lines.
const TRACE = /^\d+: |^; |^from \d+ to \d+|^R\d\w*=|^(last_idx|regs=|parent |func#|caller|callee|frame\d)/;

const strip = (line: string): string => line.replace(/^libbpf: /, '');

/**
 * The one line of libbpf's output that says what went wrong: the program's name and the verifier's last words (they
 * stand right before "processed N insns"), or else the first message that libbpf printed. `undefined` for an empty log.
 */
export const summarizeLog = (log: string | undefined): string | undefined => {
  const lines = (log ?? '').split('\n').map((line) => line.trim());
  const begin = lines.findIndex((line) => line.includes('BEGIN PROG LOAD LOG'));
  const first = lines.find((line) => !NOISE.test(line));
  if (begin < 0) return first === undefined ? undefined : strip(first);
  const end = lines.findIndex((line, i) => i > begin && line.includes('END PROG LOAD LOG'));
  const inside = lines.slice(begin + 1, end < 0 ? undefined : end).filter((line) => !NOISE.test(line));
  const words: string[] = [];
  for (let i = inside.length - 1; i >= 0 && words.length < 2 && !TRACE.test(inside[i] ?? ''); i--) words.unshift(inside[i] ?? '');
  const program = /prog '([^']+)'/.exec(lines.slice(0, begin).join('\n'))?.[1];
  const where = program === undefined ? '' : ` program '${program}'`;
  return `verifier on${where || ' the program'}: ${words.join('; ') || inside.at(-1) || 'no reason given'}`;
};
