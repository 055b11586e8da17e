const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Reads a duration as Cilium's flags write it (`2h13m20s`, `60s`, `1.5s`) into seconds; undefined if it is none. */
export const parseDuration = (text: string): number | undefined => {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) seconds += Number(amount) * UNITS[unit!]!;
  return seconds;
};
