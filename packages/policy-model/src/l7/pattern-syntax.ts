import type { CharTest } from './char-class.ts';
import { ignoreCase, namedClass, negate, range, unicodeClass } from './char-class.ts';

/** A pattern as a tree. */
export type PatternNode =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'assert'; readonly holds: (before: number, after: number) => boolean }
  | { readonly kind: 'all' | 'any'; readonly parts: readonly PatternNode[] }
  | RepeatNode;

/** A part `least` to `most` times; `most` may be infinite. */
export interface RepeatNode {
  readonly kind: 'repeat';
  readonly part: PatternNode;
  readonly least: number;
  readonly most: number;
}

/** What is wrong with a pattern, and where (index of the UTF-16 unit). */
export class PatternSyntaxError extends Error {
  override readonly name = 'PatternSyntaxError';
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** What comes before the first and after the last character. */
export const EDGE = -1;
/** RE2's limit for counts, nested ones multiplied. */
const MAX_REPEAT = 1000;
const NEWLINE = 10;
const word = namedClass('w')!;
const isWord = (c: number): boolean => c !== EDGE && word(c);
const boundary = (before: number, after: number): boolean => isWord(before) !== isWord(after);
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

/** The tree of a pattern in RE2's syntax. Throws {@link PatternSyntaxError}. */
export function parsePattern(text: string): PatternNode {
  const parser = new Parser(text);
  const node = parser.alternatives();
  if (!parser.done) parser.fail('")" without "("');
  return node;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #flags = '';
  readonly #names = new Set<string>();

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  fail(message: string, at = this.#at): never {
    throw new PatternSyntaxError(message, at);
  }

  /** Up to the end or a closing parenthesis. Flags set inside end with it. */
  alternatives(): PatternNode {
    const flags = this.#flags;
    const parts: PatternNode[] = [];
    do parts.push(this.#sequence());
    while (this.#take('|'));
    this.#flags = flags;
    return parts.length === 1 ? parts[0]! : { kind: 'any', parts };
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** The match of a sticky expression at the place, which moves behind it. */
  #scan(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text);
    if (found === null) return undefined;
    this.#at = expression.lastIndex;
    return found;
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (!this.done && !/[|)]/.test(this.#text[this.#at]!)) {
      if (this.#take('\\Q')) {
        const end = this.#text.indexOf('\\E', this.#at);
        for (const char of this.#text.slice(this.#at, end < 0 ? undefined : end)) parts.push(this.#literal(char.codePointAt(0)!));
        this.#at = end < 0 ? this.#text.length : end + 2;
      } else {
        const node = this.#atom();
        if (node !== undefined) parts.push(node);
      }
      const last = parts.at(-1);
      const repeated = this.#repetition(last);
      if (repeated !== undefined) parts[parts.length - 1] = repeated;
    }
    return { kind: 'all', parts };
  }

  #count(): [number, number] | undefined {
    const found = this.#scan(/[*+?]|\{(\d+)(,(\d*))?\}/y);
    if (found === undefined) return undefined;
    const [sign, low, comma, high] = found;
    if (low === undefined) return [sign === '+' ? 1 : 0, sign === '?' ? 1 : Infinity];
    const most = comma === undefined ? Number(low) : high === '' ? Infinity : Number(high);
    return [Number(low), most];
  }

  #repetition(part: PatternNode | undefined): PatternNode | undefined {
    const at = this.#at;
    const count = this.#count();
    if (count === undefined) return undefined;
    if (part === undefined) this.fail('nothing before it to repeat', at);
    const [least, most] = count;
    if (least > most || least > MAX_REPEAT || (most !== Infinity && most > MAX_REPEAT)) this.fail(`a count is at most ${MAX_REPEAT}, and the first no larger than the second`, at);
    this.#take('?');
    const node: PatternNode = { kind: 'repeat', part, least, most };
    if (copies(node) > MAX_REPEAT) this.fail(`nested counts come to more than ${MAX_REPEAT}`, at);
    const next = this.#at;
    if (this.#count() !== undefined) this.fail('a repetition of a repetition; put parentheses around the first', next);
    return node;
  }

  #atom(): PatternNode | undefined {
    this.#repetition(undefined);
    const at = this.#at;
    if (this.#take('(')) return this.#group(at);
    if (this.#take('[')) return { kind: 'char', test: this.#folded(this.#bracket(at)) };
    if (this.#take('.')) return { kind: 'char', test: this.#flags.includes('s') ? () => true : (c) => c !== NEWLINE };
    const multiline = this.#flags.includes('m');
    if (this.#take('^') || this.#take('\\A')) {
      const lines = multiline && this.#text[at] === '^';
      return { kind: 'assert', holds: (before) => before === EDGE || (lines && before === NEWLINE) };
    }
    if (this.#take('$') || this.#take('\\z')) {
      const lines = multiline && this.#text[at] === '$';
      return { kind: 'assert', holds: (_, after) => after === EDGE || (lines && after === NEWLINE) };
    }
    if (this.#take('\\b')) return { kind: 'assert', holds: boundary };
    if (this.#take('\\B')) return { kind: 'assert', holds: (before, after) => !boundary(before, after) };
    if (this.#text[at] === '\\') {
      const test = this.#classEscape();
      return test === undefined ? this.#literal(this.#escape()) : { kind: 'char', test: this.#folded(test) };
    }
    return this.#literal(this.#char());
  }

  #char(): number {
    const c = this.#text.codePointAt(this.#at)!;
    this.#at += c > 0xffff ? 2 : 1;
    return c;
  }

  #literal(c: number): PatternNode {
    return { kind: 'char', test: this.#folded((other) => other === c) };
  }

  #folded(test: CharTest): CharTest {
    return this.#flags.includes('i') ? ignoreCase(test) : test;
  }

  #group(at: number): PatternNode | undefined {
    const name = this.#scan(/\?P?<(\w+)>/y)?.[1];
    if (name !== undefined && this.#names.size === this.#names.add(name).size) this.fail(`a second group called ${name}`, at);
    const before = this.#flags;
    if (name === undefined && this.#text[this.#at] === '?') {
      const flags = this.#scan(/\?(?!\))([imsU]*)(-[imsU]+)?([:)])/y);
      if (flags === undefined) this.fail('"(?" begins neither flags nor a name; looking ahead or behind is not understood', at);
      const [, on, off, end] = flags;
      this.#flags = [...`${before}${on}`].filter((flag) => off?.includes(flag) !== true).join('');
      if (end === ')') return undefined;
    }
    const node = this.alternatives();
    this.#flags = before;
    if (!this.#take(')')) this.fail('"(" without ")"', at);
    return node;
  }

  #bracket(at: number): CharTest {
    const inverted = this.#take('^');
    const tests: CharTest[] = [];
    for (let first = true; first || !this.#take(']'); first = false) {
      if (this.done) this.fail('"[" without "]"', at);
      tests.push(this.#member());
    }
    const test: CharTest = (c) => tests.some((one) => one(c));
    // Negation comes after folding: [^a] with upper and lower case alike is neither a nor A.
    return inverted ? negate(this.#folded(test)) : test;
  }

  #member(): CharTest {
    const at = this.#at;
    const posix = this.#scan(/\[:(\^?)(.*?):\]/y);
    if (posix !== undefined) {
      const test = namedClass(posix[2]!.length > 1 ? posix[2]! : '');
      if (test === undefined) this.fail(`no class of characters is called ${posix[0]}`, at);
      return posix[1] === '' ? test : negate(test);
    }
    const escaped = this.#text[at] === '\\' ? this.#classEscape() : undefined;
    if (escaped !== undefined) return escaped;
    const first = this.#text[at] === '\\' ? this.#escape() : this.#char();
    if (this.#text[this.#at] !== '-' || this.#at + 1 >= this.#text.length || this.#text[this.#at + 1] === ']') return range(first, first);
    this.#at++;
    const last = this.#text[this.#at] === '\\' ? this.#escape() : this.#char();
    if (last < first) this.fail('a range that ends before it begins', at);
    return range(first, last);
  }

  /** `\d`, `\W`, `\pL`, `\P{Greek}`; `undefined` for any other escape. */
  #classEscape(): CharTest | undefined {
    const at = this.#at;
    const perl = this.#scan(/\\([dswDSW])/y)?.[1];
    if (perl !== undefined) {
      const test = namedClass(perl.toLowerCase())!;
      return perl === perl.toLowerCase() ? test : negate(test);
    }
    const unicode = this.#scan(/\\([pP])(?:\{(\^?)([^}]*)\}|([^{]))/y);
    if (unicode === undefined) return undefined;
    const test = unicodeClass(unicode[3] ?? unicode[4]!);
    if (test === undefined) this.fail(`no class of characters is called ${unicode[0]}`, at);
    return (unicode[1] === 'P') === (unicode[2] === '^') ? test : negate(test);
  }

  /** The character that an escape stands for. */
  #escape(): number {
    const at = this.#at;
    const code = this.#scan(/\\(?:x([\da-fA-F]{2})|x\{([\da-fA-F]{1,6})\}|(0[0-7]{0,2}|[1-7][0-7]{1,2}))/y);
    if (code !== undefined) {
      const number = code[3] === undefined ? Number.parseInt(code[1] ?? code[2]!, 16) : Number.parseInt(code[3], 8);
      if (number > 0x10ffff) this.fail(`${code[0]} is no character`, at);
      return number;
    }
    const [, letter] = this.#scan(/\\([\0-\x7f])/y) ?? [];
    if (letter === undefined) this.fail('a "\\" that is followed by nothing it could change', at);
    if (Object.hasOwn(CONTROL, letter)) return CONTROL[letter]!;
    if (/\d/.test(letter)) this.fail(`references such as \\${letter} are not understood`, at);
    if (/[a-z]/i.test(letter)) this.fail(`\\${letter} has no meaning`, at);
    return letter.charCodeAt(0);
  }
}

/** How many copies of its innermost part a repetition makes. */
function copies(node: PatternNode): number {
  if (node.kind === 'all' || node.kind === 'any') return Math.max(1, ...node.parts.map(copies));
  if (node.kind !== 'repeat') return 1;
  return Math.max(1, node.most === Infinity ? node.least : node.most) * copies(node.part);
}
