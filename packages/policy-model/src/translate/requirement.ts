import type { Requirement } from '@cilium-ts/identity';

/** The term `source:key=value`. */
export function equalsTerm(source: string, key: string, value: string): Requirement {
  return { source, key, operator: 'In', values: [value] };
}

/** The term "has a label with that key". */
export function existsTerm(source: string, key: string): Requirement {
  return { source, key, operator: 'Exists', values: [] };
}

/** Whether a term names the Kubernetes label `key`, with the source k8s or none. */
export function namesKey(requirements: readonly Requirement[], test: (key: string) => boolean): boolean {
  return requirements.some(({ source, key }) => (source === 'k8s' || source === 'any') && test(key));
}
