/** The first character from there on that is neither white space nor of a comment. */
export function skipSeparation(source: string, from: number): number {
  let at = from;
  for (;;) {
    const character = source[at];
    if (isBlank(character)) at += 1;
    else if (character === '#' && (at === 0 || isBlank(source[at - 1]))) at = lineEnd(source, at);
    else return at;
  }
}

/** The first character from there on that is not of these. */
export function skipSome(source: string, from: number, some: string): number {
  let at = from;
  while (at < source.length && some.includes(source[at]!)) at += 1;
  return at;
}

/** Whether what stands there may follow a `:` or `?` that is not part of a word. */
export function endsIndicator(character: string | undefined): boolean {
  return character === undefined || isBlank(character);
}

/** Whether the first thing of a line stands there, behind a tab. */
export function indentedByTab(source: string, at: number): boolean {
  return firstOfLine(source, at) && source.slice(source.lastIndexOf('\n', at - 1) + 1, at).includes('\t');
}

/** Whether the first thing of a line stands there. */
export function firstOfLine(source: string, at: number): boolean {
  let before = at - 1;
  while (source[before] === ' ' || source[before] === '\t') before -= 1;
  return before < 0 || source[before] === '\n';
}

function lineEnd(source: string, from: number): number {
  const at = source.indexOf('\n', from);
  return at < 0 ? source.length : at;
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r';
}
