import type { FieldPath } from './location.ts';
import type { YamlEntry, YamlNode } from './yaml/node.ts';

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

/** A locator for the resource whose root is at `prefix` of the document. */
export function createLocator(root: YamlNode, position: (at: number) => Position, prefix: FieldPath): Locator {
  return {
    locate(path, point = 'value') {
      let best = root.at;
      let current: YamlNode | undefined = root;
      for (const part of [...prefix, ...path]) {
        const { key, content }: Partial<YamlEntry> = descend(current, part);
        if (key === undefined && content === undefined) break;
        best = point === 'value' && content?.kind === 'scalar' ? content.at : (key ?? content)!.at;
        current = content;
      }
      return position(best);
    },
  };
}

function descend(node: YamlNode | undefined, part: string | number): Partial<YamlEntry> {
  const { items, entries } = node?.target ?? node ?? {};
  if (items === undefined) return entries?.get(String(part)) ?? {};
  const content = items[Number(part)];
  return content === undefined ? {} : { content };
}
