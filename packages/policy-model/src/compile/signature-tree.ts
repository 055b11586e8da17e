/** Number of a set of selectors within a plan; the empty set is 0. */
export type Signature = number;

/**
 * Numbers the sets of selectors that choose peers, so that peers with the same set have the same number: nodes of a tree
 * whose paths are ascending places of selectors.
 */
export interface SignatureTree {
  readonly size: number;
  /** The set with one more, whose place is higher than those of all others in it. */
  with(set: Signature, place: number): Signature;
  /** The places in the set, in descending order. */
  places(set: Signature): number[];
}

/** A tree for places below `width`. */
export function createSignatureTree(width: number): SignatureTree {
  const parents: Signature[] = [0];
  const lasts: number[] = [-1];
  const children = new Map<number, Signature>();
  return {
    get size() {
      return parents.length;
    },
    with(set, place) {
      const key = set * width + place;
      let child = children.get(key);
      if (child === undefined) {
        child = parents.push(set) - 1;
        lasts.push(place);
        children.set(key, child);
      }
      return child;
    },
    places(set) {
      const places: number[] = [];
      for (let node = set; node !== 0; node = parents[node]!) places.push(lasts[node]!);
      return places;
    },
  };
}
