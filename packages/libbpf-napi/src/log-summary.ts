const isNoise = (line: string): boolean =>
  line === '' || /^-- (BEGIN|END) PROG LOAD LOG --$/.test(line) || /^libbpf: -- (BEGIN|END)/.test(line) || /^processed \d+ insns/.test(line) || /^(verification time|stack depth|max_states|peak_states|mark_read)/.test(line);

const strip = (line: string): string => line.replace(/^libbpf: /, '').trim();

/**
 * The one line of libbpf's output that says what went wrong: the verifier's last word (it stands right before the
 * "processed N insns" line), or else the first message that libbpf printed. `undefined` for an empty log.
 */
export const summarizeLog = (log: string | undefined): string | undefined => {
  const lines = (log ?? '').split('\n').map((line) => line.trim());
  const end = lines.findIndex((line) => /^processed \d+ insns/.test(line));
  const begin = lines.findIndex((line) => line.includes('BEGIN PROG LOAD LOG'));
  if (begin >= 0) {
    const inside = lines.slice(begin + 1, end > begin ? end : lines.findIndex((line) => line.includes('END PROG LOAD LOG')));
    const last = inside.filter((line) => !isNoise(line)).at(-1);
    if (last !== undefined) return `verifier: ${last}`;
  }
  const first = lines.find((line) => !isNoise(line));
  return first === undefined ? undefined : strip(first);
};
