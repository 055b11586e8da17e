import { describe, expect, test } from 'vitest';
import { readDocuments } from '../../src/index.ts';

const values = (text: string): unknown[] => {
  const { objects, problems } = readDocuments(text);
  expect(problems).toEqual([]);
  return objects.map(({ value }) => value);
};

/** Problems as `line:column message`. */
const problems = (text: string): string[] => readDocuments(text).problems.map(({ line, column, message }) => `${line}:${column} ${message}`);

describe('scalars are those of the core schema of YAML 1.2', () => {
  test.each<[string, unknown]>([
    ['0o17', 15],
    ['0x1F', 31],
    ['017', 17],
    ['0b1', '0b1'],
    ['-0x1', '-0x1'],
    ['+12', 12],
    ['1_000', '1_000'],
    ['1:30', '1:30'],
    ['1e3', 1000],
    ['.5', 0.5],
    ['5.', 5],
    ['-.INF', Number.NEGATIVE_INFINITY],
    ['.NaN', Number.NaN],
    ['yes', 'yes'],
    ['Off', 'Off'],
    ['True', true],
    ['tRue', 'tRue'],
    ['~', null],
    ['Null', null],
    ['nULL', 'nULL'],
    ['2026-01-02', '2026-01-02'],
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
    ['=', '='],
    ['"1"', '1'],
    ['!!str 1', '1'],
    ['!!int "1"', 1],
    ['!!int one', 'one'],
    ['!!float 1', '1'],
    ['!!bool "true"', true],
    ['!!null ""', null],
    ['! 1', '1'],
    ['!local 1', '1'],
    ['!!str', ''],
  ])('%s', (text, value) => {
    expect(values(`a: ${text}\n`)).toEqual([{ a: value }]);
  });
});

describe('values', () => {
  test.each<[string, unknown]>([
    ['{ <<: *x, d: 2 }', { b: 1, c: [2], d: 2 }],
    ['{ b: 3, <<: *x }', { b: 3, c: [2] }],
    ['{ <<: [*y, *x] }', { b: 9, c: [2] }],
    ['{ <<: { e } }', { e: null }],
    ['{ "<<": 1 }', { '<<': 1 }],
    ['{ !!str <<: 1 }', { '<<': 1 }],
    ['{ <<: { __proto__: { polluted: 1 } } }', JSON.parse('{ "__proto__": { "polluted": 1 } }')],
  ])('a merge key brings what a map does not have itself: %s', (map, expected) => {
    const [value] = values(`x: &x { b: 1, c: [2] }\ny: &y { b: 9 }\nz: ${map}\n`) as [{ z: object }];
    expect(value.z).toEqual(expected);
    expect(Object.getPrototypeOf(value.z)).toBe(Object.prototype);
  });

  test('every JSON text is read as what it is', () => {
    const odd = Array.from({ length: 0x2100 }, (_, code) => String.fromCharCode(code)).join('') + '\uFEFF\uFFFE\uFFFF\uD800 \u{1F600}';
    const value = { [odd]: odd, 'a: b': ['# c', '- d', '*e', '&f', '!g', '<<', '---'], '': [0, -0.5, 1e21, 1e-7, true, null, '', [], {}, [[]], [{}]], '<<': '*x' };
    for (const indent of [0, 2, '\t']) expect(values(JSON.stringify(value, null, indent))).toEqual([value]);
    expect(values(`a:\n  b: ${JSON.stringify(value)}\n`)).toEqual([{ a: { b: value } }]);
  });

  test('tabs separate, and stay where they are text', () => {
    expect(values('a:\t{ b:\tc,\td: [\te\t] }\t# f\ng: "\th\\\ti"\nj: k\tl\nm: |\n  {\tn\n  \to\n-: {\t}\n')).toEqual([
      { a: { b: 'c', d: ['e'] }, g: '\th\ti', j: 'k\tl', m: '{\tn\n\to\n', '-': {} },
    ]);
    expect(values('-\t{ a:\tb }\n-\tc\n')).toEqual([[{ a: 'b' }, 'c']]);
    expect(problems('-\t- a\n')).toHaveLength(1);
    expect(problems('-\ta: b\n')).toHaveLength(1);
  });

  test('an alias is what it stands for, up to a hundred times', () => {
    const [value] = values('a: &x { b: 1 }\nc: *x\n') as [Record<string, unknown>];
    expect(value['c']).toBe(value['a']);
    expect(values(`a: &x 1\nb: [${'*x, '.repeat(99)}]\n`)).toHaveLength(1);
    expect(problems(`a: &x 1\nb: [${'*x, '.repeat(100)}]\n`)).toEqual(['2:401 *x and what it stands for are used too often (at most 100 times)']);
  });

  test('a name given again stands for the later value from there on', () => {
    expect(values('- &x 1\n- *x\n- &x 2\n- *x\n')).toEqual([[1, 1, 2, 2]]);
  });

  test('keys of objects’ own prototype are keys', () => {
    const [value] = values('__proto__: { a: 1 }\nconstructor: 2\n');
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

describe('documents', () => {
  test('begin with a marker or after one that ends the last', () => {
    expect(values('# c\n---\na: 1\n...\n# d\nb: 2\n---\n---\n  c: 3\n---\nd: 4')).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }, { d: 4 }]);
  });

  test('directives belong to the document after them', () => {
    expect(values('%TAG ! tag:yaml.org,2002:\n---\na: !str 1\n...\n%YAML 1.2\n---\na: !str 1\n')).toEqual([{ a: '1' }, { a: '1' }]);
  });

  test('what looks like a marker is none', () => {
    expect(values('---a\n')).toEqual(['---a']);
    expect(values('a: |\n  ---\n  b\n')).toEqual([{ a: '---\nb\n' }]);
    expect(values('a: "b\u2028--- c"\n')).toEqual([{ a: 'b\u2028--- c' }]);
  });

  test('no fault of one reaches into another', () => {
    const text = 'a: 1\n---\nb: "open\n---\nc: [\n---\nd: |\n---\ne: 5\n...\n}\n---\nf: 6\n';
    expect(readDocuments(text).objects.map(({ value }) => value)).toEqual([{ a: 1 }, { d: '' }, { e: 5 }, { f: 6 }]);
    expect(problems(text)).toHaveLength(3);
  });
});

describe('faults', () => {
  test.each<[string, string | RegExp]>([
    ['a: 1\nb: 2\na: 3\n', '3:1 the key "a" occurs twice in one map'],
    ['1: a\n"1": b\n', '2:1 the key "1" occurs twice in one map'],
    ['a: *b\n', '1:4 *b stands for nothing: no value before it has the anchor &b'],
    ['a: &a [1, *a]\n', '1:11 *a stands for a value that it is a part of'],
    ['? [a]\n: b\n', '1:3 a list or a map cannot be a key here'],
    ['a: b\n: c\n', '2:1 a key is missing here'],
    ['a: &x b: c\n', '1:7 a map begins on the line below its key, or in braces'],
    ['? a\n\t: b\n', '2:2 a tab cannot indent'],
    ['a: b\n... c\n', '2:5 nothing but a comment may stand behind the end of a document'],
    ['a: !!binary aGk=\n', '1:4 the tag !!binary stands for a value that JSON does not have'],
    ['a: !!\n', '1:4 the tag !! lacks a name'],
    ['a: !%FF b\n', '1:4 the tag !%FF has an escape that stands for no character'],
    ['%YAML 1.1\n---\na: yes\n', '1:1 this is another version of YAML than 1.2'],
    ['a: "\u0007"\n', '1:5 the character U+0007 does not belong in YAML'],
    ['a: "\\\\U00110000 \\U00110000"\n', '1:17 \\U00110000 stands for no character'],
    ['a: b\rc: d\n', '1:5 a carriage return without a line feed does not belong in YAML'],
    [`${'k'.repeat(1025)}: v\n`, '1:1 the colon is more than 1024 characters behind the beginning of its key'],
    ['a: b\n  c: d\n', '2:4 a key cannot extend over several lines'],
    ['a: b: c\n', '1:5 there is a second colon in this line'],
    ['a:\n  b: 1\n   c: 2\n', '3:5 a key cannot extend over several lines'],
    ['a: [b]\n  c: 2\n', '2:3 this line is indented otherwise than what it belongs to'],
    ['a: {}}\n', '1:6 nothing is open here that } could close'],
    ['a: "b" c\n', '1:8 something follows here that does not belong to the value'],
    ['a:\n\u00A0 b: c\n', '2:1 the character U+00A0 looks like white space and is text'],
    ['a: b\uFEFFc\n', '1:5 the character U+FEFF looks like white space and is text'],
    ['a: \u00A0\n\u00A0: b\n\u00A0a: c\n', '3:1 the character U+00A0 looks like white space and is text'],
    ['? a\n\t? |\n  b\n: c\n', '2:2 a tab cannot indent'],
    ['a: b\u0080c\n', /^1:5 .*non-printable/],
    ['a: 1\n<<: 2\n', '2:1 << takes a map or a list of maps'],
    ['<<: {}\n<<: {}\n', '2:1 the key "<<" occurs twice in one map'],
    ['a: [b\nc: d\n', /^2:1 /],
    ['a: "b', '1:6 a quote is not closed'],
    ['a:\n\tb: c\n', /^2:\d /],
    ['a: @b\n', '1:4 a text cannot begin with @'],
  ])('%j', (text, expected) => {
    expect(problems(text)).toEqual([typeof expected === 'string' ? expected : expect.stringMatching(expected)]);
  });
});

describe('positions', () => {
  test.each<[string, (string | number)[], 'key' | 'value', string]>([
    ['a:\n  b: # c\n  d: 1\n', ['a', 'b'], 'value', '2:6'],
    ['- a\n-\n- b\n', [1], 'value', '2:2'],
    ['- a\n-\n- b\n', [2], 'value', '3:3'],
    ['a: !!str &x\n  b\n', ['a'], 'value', '2:3'],
    ['a: |-\n  b\n', ['a'], 'value', '1:4'],
    ["'a' : 'b'\n", ['a'], 'value', '1:7'],
    ['[a: b, {c: d}]\n', [0], 'value', '1:2'],
    ['[a: b, {c: d}]\n', [1, 'c'], 'value', '1:12'],
    ['{"a":1,"b" :2}', ['b'], 'value', '1:13'],
    ['- {}\n-\n- [a,]\n- \n', [1], 'value', '2:2'],
    ['- {}\n-\n- [a,]\n- \n', [3], 'value', '4:3'],
    ['? a\n: b\n? c\n', ['a'], 'value', '2:3'],
    ['? a\n: b\n? c\n', ['c'], 'value', '3:3'],
    ['a: &x\n  b: 1\nc: *x\n', ['c'], 'value', '3:1'],
    ['x: 1\r\ny: 2\r\n', ['y'], 'value', '2:4'],
    ['a: 1\n---\n# c\nb: 2\n', ['b'], 'key', '4:1'],
  ])('of %j, %j, its %s', (text, path, point, place) => {
    const { line, column } = readDocuments(text).objects.at(-1)!.locator.locate(path, point);
    expect(`${line}:${column}`).toBe(place);
  });
});
