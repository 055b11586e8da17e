import type { FieldPath } from './location.ts';
import { formatFieldPath } from './location.ts';
import type { Locator, Position } from './locator.ts';
import { createLocator } from './locator.ts';
import { createLines } from './yaml/lines.ts';
import { readYaml } from './yaml/read-yaml.ts';

/** One object of a file: a whole YAML document, or one item of a Kubernetes List. */
export interface SourceObject {
  readonly value: unknown;
  readonly locator: Locator;
  /** `items[3]` within a List, empty otherwise. */
  readonly container: string;
}

/** Text that is not YAML. */
export interface SyntaxProblem extends Position {
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** The objects and syntax errors of a text. A document with a syntax error yields no object; the others do. */
export interface SourceText {
  readonly objects: readonly SourceObject[];
  readonly problems: readonly SyntaxProblem[];
}

/** Splits multi-document YAML or JSON into objects, Lists into their items. Empty documents are skipped. */
export function readDocuments(text: string): SourceText {
  const position = createLines(text);
  const objects: SourceObject[] = [];
  const problems: SyntaxProblem[] = [];
  for (const document of readYaml(text)) {
    if ('message' in document) {
      problems.push({ message: document.message, remedy: document.remedy, ...position(document.at) });
      continue;
    }
    const { root, base } = document;
    const { value } = root;
    const add = (prefix: FieldPath, item: unknown): void => {
      const locator = createLocator(root, (at) => position(base + at), prefix);
      objects.push({ value: item, locator, container: formatFieldPath(prefix) });
    };
    if (isList(value)) value.items.forEach((item, index) => add(['items', index], item));
    else if (value !== null) add([], value);
  }
  return { objects, problems };
}

/** `kind: List`, `CiliumNetworkPolicyList` and the like, as `kubectl get -o yaml` writes them. */
function isList(value: unknown): value is { items: unknown[] } {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('items' in value)) return false;
  return typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items);
}
