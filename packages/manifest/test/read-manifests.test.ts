import { describe, expect, test } from 'vitest';
import { formatIssue, manifestKey, readDocuments, readManifests } from '../src/index.ts';

const read = (text: string, file?: string) =>
  readManifests(text, { kinds: { Gate: {}, Node: { clusterWide: true } }, foreign: 'is no gate', file }, ({ kind, header, root, value }) => {
    if (typeof (value as { bad?: unknown }).bad === 'string') root.child('bad').report({ code: 'invalid-value', message: 'bad', remedy: 'none' });
    return `${kind} ${header.key}`;
  });

describe('readManifests', () => {
  test('documents, Lists and namespaces', () => {
    const text = 'kind: Gate\nmetadata: { name: a }\n---\n---\n{"kind": "List", "items": [{"kind": "Node", "metadata": {"name": "b", "namespace": "x"}}, {"kind": "Gate", "metadata": {"name": "c", "namespace": "y"}}]}';
    expect(read(text)).toEqual({ values: ['Gate Gate/default/a', 'Node Node//b', 'Gate Gate/y/c'], issues: [] });
    expect(manifestKey('Node', undefined, 'b')).toBe('Node//b');
  });

  test('faults keep their objects out, not the others', () => {
    const text = 'kind: Gate\nmetadata: { name: a }\nbad: x\n---\nkind: Gate\nmetadata: { name: b }\n---\nkind: [\n---\nkind: Gaet\n---\n7\n---\nkind: Gate\nmetadata: { name: b }\n';
    const { values, issues } = read(text, 'x.yaml');
    expect(values).toEqual(['Gate Gate/default/b']);
    expect(issues.map(formatIssue)).toEqual([
      'x.yaml:3:6: error: Gate/default/a bad: bad (none)',
      expect.stringMatching(/^x.yaml:9:1: error: the text is not valid YAML or JSON: .* \(close the quote or bracket above, .*; no object of this document is read until then\)$/),
      'x.yaml:10:7: error: kind: Gaet is no gate (did you mean Gate?)',
      'x.yaml:12:1: error: this is not a Kubernetes object: it has no kind (only Gate, Node and Lists of them are read)',
      'x.yaml:15:19: error: Gate/default/b metadata.name: Gate/default/b occurs twice in this text (rename one of them)',
    ]);
  });

  test('without a file, issues say the line', () => {
    expect(read('kind: Secret').issues.map(formatIssue)).toEqual(['line 1:7: error: kind: Secret is no gate (only Gate, Node and Lists of them are read)']);
  });

  test('an alias bomb is a fault of its document', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x]', ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${`*${'abcdefgh'[i]}, `.repeat(8)}]`)].join('\n');
    const { values, issues } = read(`kind: Gate\nmetadata: { name: a }\n---\n${bomb}\n`);
    expect(values).toEqual(['Gate Gate/default/a']);
    expect(issues).toMatchObject([{ code: 'malformed', line: 7, column: 8 }]);
  });
});

describe('positions', () => {
  const { objects } = readDocuments('a: &x\n  - b: 1\n    "c d": two\ne: *x\n');
  const { locator } = objects[0]!;
  test.each<[(string | number)[], 'key' | 'value', [number, number]]>([
    [['a'], 'key', [1, 1]],
    [['a', 0, 'b'], 'key', [2, 5]],
    [['a', 0, 'b'], 'value', [2, 8]],
    [['a', 0, 'c d'], 'value', [3, 12]],
    [['e', 0, 'b'], 'value', [2, 8]],
    [['a', 0, 'missing', 'deep'], 'value', [2, 5]],
    [['a', 7], 'value', [1, 1]],
    [[], 'key', [1, 1]],
  ])('%j, its %s', (path, point, [line, column]) => {
    expect(locator.locate(path, point)).toEqual({ line, column });
  });
});
