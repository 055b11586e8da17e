import { dump } from 'js-yaml';
import { stringify } from 'yaml';
import type { Random } from './random.ts';

/** One small text for each thing that YAML has. */
export const SEEDS: readonly string[] = [
  'a: b\n',
  'a:\n  - b\n  - c: d\n    e: f\n',
  'a: {b: c, "d":e}\n',
  "a: [b, \"c\", 'd']\n",
  'a: |\n  x\n   y\n\n  z\nb: >-\n  x\n  y\n\n   q\n  z\n\n',
  'a: |2-\n    x\nb: >1+\n  y\n\nc: d\n',
  '- a\n- b: c\n  d:\n  - e\n',
  'a: "x\n  y"\n',
  "k: plain\n  more\n\n  lines\nl: 'q\n  r'\n",
  '{"a": [1, 2.5, true, null], "b": {"c": "d"}}\n',
  '{\n\t"a": [\n\t\t1,\n\t\t{"b": "c"}\n\t]\n}\n',
  'a: &x\n  b: c\nd: *x\n',
  '&a k: &b v\nx: [*a, *b]\n',
  'a: # c\n  b\n',
  '---\na: b\n---\nc: d\n...\n',
  '%YAML 1.2\n%TAG !e! tag:example.org,2026:\n---\na: !e!x 1\n',
  '"a b": c\n\'d\': e\n',
  '- - a\n  - b\n- |\n  c\n',
  '? a\n: b\n? c\n? |\n  d\n: - e\n',
  'a:\nb:\n- \n-\n',
  '[a: b, ? c : d, e]\n',
  '!!str 1: !!int "2"\nb: !local [c]\nc: !<tag:yaml.org,2002:float> 1.5\n',
  'a: 0x1f\nb: 0o17\nc: .inf\nd: -.INF\ne: .nan\nf: 1e3\ng: +12\nh: 017\ni: yes\nj: ~\nk: 2026-01-02\nl: 1_000\nm: 123456789012345678901234567890\nn: -0\no: .5\np: 5.\n',
  '<<: {a: b}\nb: &m {c: d}\nc: {<<: *m}\n',
  'a: b\r\nc:\r\n  - d\r\n  - |\r\n    e\r\n',
  '\uFEFFa: b\nc: d\n',
];

const PIECES: readonly string[] = [
  ' ', '  ', '\n', '\n\n', ':', ': ', '- ', '-', '#', ' #', '"', "'", '{', '}', '[', ']', ',', '|', '>', '|-', '>+', '|2', '&a ', '*a', '!', '!!str ', '!!int ', '!x ', '\t', '\\', '\\n',
  '?', '? ', '---\n', '--- ', '...\n', 'a', '1', '0x1', '0o7', '.inf', 'yes', '~', 'null', 'true', '.', '%', '@', '\r\n', '\r', 'a: b', '- a\n', '\n  ', '\n    ', ' \n', 'é', '😀', "''", '""',
  '\\x41', '<<', '\n#c\n', '\uFEFF', '%YAML 1.2\n---\n', '\u00A0', '\u2028', '\u0085', '\u0007', '\0', '!!', '*a : ', '? - ', '- - ', '-\n',
];

/** The text with a few small faults, or none that matters. */
export function mutate(original: string, random: Random): string {
  let text = original;
  if (text.length > 900) {
    const start = random.below(text.length - 600);
    text = text.slice(start, start + 600);
  }
  for (let rounds = 1 + random.below(3); rounds > 0; rounds -= 1) {
    const at = random.below(text.length + 1);
    const kind = random.below(4);
    const from = random.below(text.length + 1);
    if (kind === 0) text = text.slice(0, at) + text.slice(at + 1 + random.below(3));
    else text = text.slice(0, at) + (kind === 1 ? text.slice(from, from + 1 + random.below(8)) : random.of(PIECES)) + text.slice(at);
  }
  return text;
}

const WORDS: readonly string[] = [
  '', 'a', 'app', 'k8s:io.kubernetes.pod.namespace', '*.example.org', '10.0.0.0/8', '::/0', '2001:db8::1', 'true', 'null', '~', '1', '0x1f', '1e3', '.inf', 'yes', '2026-01-02', '- a', 'a: b',
  '# c', 'a #b', '{a}', '[b', '&a', '*b', '!c', '|', '>', '%d', '@e', '`f', '"', "'", 'it\'s "so"', ' a', 'b ', 'two\nlines', 'a\n\n  b\n', '\n', '\ta\tb', 'a\\b', 'é', '😀', '?', '-', '? a',
  ':', 'a:', '---', '...', '<<', '=', '__proto__', 'constructor', 'a long text of many words that will be folded over several lines when it is written', '/public/.*', '^GET$', '\u00A0', '\u2028', 'trailing\n\n\n',
];

function value(random: Random, depth: number, shared: unknown[]): unknown {
  const kind = random.below(depth > 0 ? 9 : 5);
  if (kind < 2) return random.of(WORDS);
  if (kind === 2) return random.of([0, 1, -1, 80, 65535, 1.5, -0.25, 1e21, 2 ** 53, 1e-7]);
  if (kind === 3) return random.of([true, false, null]);
  if (kind === 4) return shared.length > 0 && shared.length < 20 ? random.of(shared) : [];
  const members = Array.from({ length: random.below(5) }, () => value(random, depth - 1, shared));
  const made = kind < 7 ? members : Object.fromEntries(members.map((member) => [random.of(WORDS), member]));
  if (random.below(4) === 0) shared.push(made);
  return made;
}

/** A value as one of the libraries writes it that people use, in one of their styles. */
export function written(random: Random): string {
  const content = { kind: 'x', spec: value(random, 4, []) };
  const indent = 2 + random.below(3);
  const lineWidth = random.of([0, 20, 80]);
  switch (random.below(5)) {
    case 0:
      return JSON.stringify(content, null, random.of<string | number>([0, 2, '\t']));
    case 1:
      return dump(content, { indent, lineWidth: lineWidth || -1, flowLevel: random.of([-1, -1, 1, 2]), noRefs: random.below(2) === 0 });
    default:
      return stringify(content, {
        indent,
        lineWidth,
        indentSeq: random.below(2) === 0,
        collectionStyle: random.of(['any', 'any', 'block', 'flow'] as const),
        defaultStringType: random.of(['PLAIN', 'PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED'] as const),
        defaultKeyType: random.of(['PLAIN', 'QUOTE_DOUBLE'] as const),
      });
  }
}
