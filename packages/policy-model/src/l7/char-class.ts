/** Whether a code point belongs to a class. */
export type CharTest = (codePoint: number) => boolean;

/** First and last character of each range, pair by pair. POSIX classes of RE2, and the letters of its Perl classes. */
const CLASSES: Readonly<Record<string, string>> = {
  alnum: '09AZaz',
  alpha: 'AZaz',
  ascii: '\0\x7f',
  blank: '\t\t  ',
  cntrl: '\0\x1f\x7f\x7f',
  digit: '09',
  graph: '!~',
  lower: 'az',
  print: ' ~',
  punct: '!/:@[`{~',
  space: '\t\r  ',
  upper: 'AZ',
  word: '09AZaz__',
  xdigit: '09AFaf',
  d: '09',
  s: '\t\n\f\r  ',
  w: '09AZaz__',
};

/** The test of a named ASCII class (`alpha`, `d`), or `undefined`. */
export function namedClass(name: string): CharTest | undefined {
  const pairs = Object.hasOwn(CLASSES, name) ? CLASSES[name]! : undefined;
  if (pairs === undefined) return undefined;
  return (c) => {
    for (let i = 0; i < pairs.length; i += 2) if (c >= pairs.charCodeAt(i) && c <= pairs.charCodeAt(i + 1)) return true;
    return false;
  };
}

/** The test of a Unicode category (`L`, `Lu`) or script (`Greek`), or `undefined` where there is none of that name. */
export function unicodeClass(name: string): CharTest | undefined {
  if (name === 'Any') return () => true;
  if (!/^\w+$/.test(name)) return undefined;
  try {
    const single = new RegExp(`^\\p{${/^[A-Z][a-z]?$/.test(name) ? name : `Script=${name}`}}$`, 'u');
    return (c) => single.test(String.fromCodePoint(c));
  } catch {
    return undefined;
  }
}

/** The test of an inclusive range. */
export function range(first: number, last: number): CharTest {
  return (c) => c >= first && c <= last;
}

/** The test that holds where the given one does not. */
export function negate(test: CharTest): CharTest {
  return (c) => !test(c);
}

/** The test with upper and lower case alike. */
export function ignoreCase(test: CharTest): CharTest {
  const other = (text: string): boolean => {
    const c = text.codePointAt(0)!;
    return String.fromCodePoint(c) === text && test(c);
  };
  return (c) => {
    if (test(c)) return true;
    const text = String.fromCodePoint(c);
    return other(text.toLowerCase()) || other(text.toUpperCase());
  };
}
