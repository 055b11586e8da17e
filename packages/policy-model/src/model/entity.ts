/** The named classes of peers that `fromEntities` and `toEntities` may list. */
export const ENTITIES = [
  'all',
  'world',
  'world-ipv4',
  'world-ipv6',
  'cluster',
  'host',
  'remote-node',
  'kube-apiserver',
  'ingress',
  'init',
  'health',
  'unmanaged',
  'none',
] as const;

/** One of {@link ENTITIES}. */
export type Entity = (typeof ENTITIES)[number];

/** Reserved labels that each entity stands for; `all` and the pods of `cluster` are not expressed by reserved labels. */
export const ENTITY_RESERVED_LABELS: Readonly<Record<Entity, readonly string[]>> = {
  all: [],
  world: ['world', 'world-ipv4', 'world-ipv6'],
  'world-ipv4': ['world-ipv4'],
  'world-ipv6': ['world-ipv6'],
  cluster: ['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver'],
  host: ['host'],
  'remote-node': ['remote-node'],
  'kube-apiserver': ['kube-apiserver'],
  ingress: ['ingress'],
  init: ['init'],
  health: ['health'],
  unmanaged: ['unmanaged'],
  none: ['none'],
};
