import type { YamlNode } from './node.ts';
import { YamlFault } from './yaml-fault.ts';

/** How much aliases may stand for: a few lines of aliases of aliases make billions of values. As `yaml` has it. */
const MOST_USES = 100;

/** The anchors of a document as far as it was read. */
export interface Anchors {
  /** A node with that anchor begins. Returns what to call with it when it was read in full. */
  open(name: string): (node: YamlNode) => void;
  /** What an alias stands for. Throws a {@link YamlFault} if that is nothing, holds the alias itself, or is too much. */
  use(name: string, at: number): YamlNode;
}

interface Anchor {
  node: YamlNode | undefined;
  /** The node itself, and its aliases. */
  count: number;
  /** How many uses one use of it makes, at most along one way into it; 0 before it is used. */
  weight: number;
}

/** Anchors of one document. A name may be given again: then it stands for the later node from there on. */
export function createAnchors(): Anchors {
  const byName = new Map<string, Anchor>();
  const byNode = new Map<YamlNode, Anchor>();
  const weigh = (node: YamlNode): number => {
    const anchor = node.target && byNode.get(node.target);
    if (anchor !== undefined) return anchor.count * anchor.weight;
    let most = 1;
    for (const item of node.items ?? []) most = Math.max(most, weigh(item));
    for (const { key, content } of node.entries?.values() ?? []) most = Math.max(most, weigh(key), content === undefined ? 1 : weigh(content));
    return most;
  };
  return {
    open(name) {
      const anchor: Anchor = { node: undefined, count: 1, weight: 0 };
      byName.set(name, anchor);
      return (node) => {
        anchor.node = node;
        byNode.set(node, anchor);
      };
    },
    use(name, at) {
      const anchor = byName.get(name);
      if (anchor === undefined) throw new YamlFault(`*${name} stands for nothing: no value before it has the anchor &${name}`, at, `write "*${name}", in quotes, if it is text`);
      if (anchor.node === undefined) throw new YamlFault(`*${name} stands for a value that it is a part of`, at);
      anchor.count += 1;
      if (anchor.weight === 0) anchor.weight = weigh(anchor.node);
      if (anchor.count * anchor.weight > MOST_USES) throw new YamlFault(`*${name} and what it stands for are used too often (at most ${MOST_USES} times)`, at);
      return anchor.node;
    },
  };
}
