import { endsIndicator, skipSome } from './scan.ts';

/** One document of a text: from its directives or its marker to where the next one begins. */
export interface DocumentRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the documents of a text are. A marker at the start of a line is one wherever it stands (in a block of text, in
 * quotes, in braces), so that no fault of one document reaches into another.
 */
export function splitStream(text: string): DocumentRange[] {
  const ranges: DocumentRange[] = [];
  let start = 0;
  // Whether there is more than directives and comments so far.
  let begun = false;
  const cut = (end: number): void => {
    if (end > start) ranges.push({ start, end });
    start = end;
    begun = false;
  };
  for (let line = 0, next = 0; line < text.length; line = next) {
    next = text.indexOf('\n', line) + 1 || text.length;
    const from = text[line] === '\uFEFF' ? line + 1 : line;
    const marker = endsIndicator(text[from + 3]) ? text.slice(from, from + 3) : '';
    if (marker === '---' && begun) cut(line);
    begun ||= marker === '---' || hasContent(text, from);
    if (marker === '...') cut(next);
  }
  cut(text.length);
  return ranges;
}

function hasContent(text: string, from: number): boolean {
  const at = skipSome(text, from, ' \t\r');
  return at < text.length && !'\n#'.includes(text[at]!) && !(at === from && text[at] === '%');
}
