import type { Document, LineCounter, Node } from 'yaml';
import { isAlias, isMap, isNode, isPair, isScalar, isSeq } from 'yaml';
import type { FieldPath } from '../../src/location.ts';

/** 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds where a path of a resource stands in its text. */
export interface Locator {
  /**
   * Position of the field, or of the nearest enclosing one that exists. `key` points at the field's name,
   * `value` at a scalar value itself (and at the name where the value is a list or an object).
   */
  locate(path: FieldPath, point?: 'key' | 'value'): Position;
}

interface Step {
  readonly key: Node | undefined;
  readonly value: Node | undefined;
}

/** A locator for the resource whose root is at `prefix` of the document. */
export function createLocator(document: Document, lines: LineCounter, prefix: FieldPath): Locator {
  const resolve = (node: unknown): Node | undefined => {
    const target = isAlias(node) ? node.resolve(document) : node;
    return isNode(target) ? target : undefined;
  };
  return {
    locate(path, point = 'value') {
      let best: Node | undefined = isNode(document.contents) ? document.contents : undefined;
      let current = best;
      for (const part of [...prefix, ...path]) {
        const step = descend(resolve(current), part);
        if (step === undefined) break;
        best = point === 'value' && isScalar(step.value) ? step.value : (step.key ?? step.value ?? best);
        current = step.value;
      }
      const offset = best?.range?.[0] ?? 0;
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(line, 1), column: Math.max(col, 1) };
    },
  };
}

function descend(node: Node | undefined, part: string | number): Step | undefined {
  if (isSeq(node)) {
    const item: unknown = node.items[Number(part)];
    return isNode(item) ? { key: undefined, value: item } : undefined;
  }
  if (!isMap(node)) return undefined;
  for (const pair of node.items) {
    if (!isPair(pair) || !isScalar(pair.key) || String(pair.key.value) !== String(part)) continue;
    return { key: pair.key, value: isNode(pair.value) ? pair.value : undefined };
  }
  return undefined;
}
