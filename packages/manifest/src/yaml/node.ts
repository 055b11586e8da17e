/** A value of a YAML document, and where it stands. */
export interface YamlNode {
  readonly kind: 'scalar' | 'list' | 'map' | 'alias';
  /** Offset of its first character, past tag and anchor. Of an empty value: where it would stand. */
  readonly at: number;
  /** As plain JSON values. What an alias stands for is the same object, not a copy. */
  readonly value: unknown;
  /** How many lists and maps are in each other here, with what aliases stand for. */
  readonly height: number;
  /** Of a list. */
  readonly items?: readonly YamlNode[];
  /** Of a map, by key. */
  readonly entries?: ReadonlyMap<string, YamlEntry>;
  /** What an alias stands for. */
  readonly target?: YamlNode;
}

/** One key of a map. */
export interface YamlEntry {
  readonly key: YamlNode;
  /** `undefined` for a key without a colon. */
  readonly content: YamlNode | undefined;
}
