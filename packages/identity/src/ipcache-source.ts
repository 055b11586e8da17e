/** Who says something about a prefix, strongest first: what a stronger source says wins over a weaker one. */
export const IPCACHE_SOURCES = [
  'kube-apiserver',
  'local',
  'kvstore',
  'custom-resource',
  'k8s',
  'clustermesh',
  'directory',
  'api',
  'generated',
  'restored',
  'unspec',
] as const;
export type IpCacheSource = (typeof IPCACHE_SOURCES)[number];

const STRENGTH = new Map<string, number>(IPCACHE_SOURCES.map((source, index) => [source, index]));

/** Negative when `a` is the stronger source, positive when `b` is. Unknown ones are weakest. */
export function compareSources(a: IpCacheSource, b: IpCacheSource): number {
  const weakest = IPCACHE_SOURCES.length;
  return (STRENGTH.get(a) ?? weakest) - (STRENGTH.get(b) ?? weakest);
}

/** Whether what `incoming` says may replace what `existing` has said: it is as strong, or stronger. */
export function mayOverwrite(existing: IpCacheSource, incoming: IpCacheSource): boolean {
  return compareSources(incoming, existing) <= 0;
}
