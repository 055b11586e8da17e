import type { ServiceState } from './service-state.ts';

/** Who wants which frontend, and who has it. */
export interface Claims {
  /** Whose the frontend is. */
  owner(key: string): ServiceState | undefined;
  /** Adds a claim. Returns whoever loses the frontend by it. */
  add(key: string, claimant: ServiceState): ServiceState | undefined;
  /** Withdraws a claim. Returns whoever gets the frontend by it. */
  remove(key: string, claimant: ServiceState): ServiceState | undefined;
}

/** A frontend has one owner: the first of its claimants by {@link compareClaimants}, whoever came first. */
export function createClaims(): Claims {
  // Nearly every frontend has one claimant, and there may be many frontends.
  const claimants = new Map<string, ServiceState | ServiceState[]>();
  const owner = (key: string): ServiceState | undefined => {
    const found = claimants.get(key);
    return Array.isArray(found) ? found[0] : found;
  };
  return {
    owner,
    add(key, claimant) {
      const found = claimants.get(key);
      if (found === undefined) {
        claimants.set(key, claimant);
        return undefined;
      }
      const before = owner(key);
      const all = (Array.isArray(found) ? [...found, claimant] : [found, claimant]).sort(compareClaimants);
      claimants.set(key, all);
      return all[0] === claimant ? before : undefined;
    },
    remove(key, claimant) {
      const found = claimants.get(key);
      if (!Array.isArray(found)) {
        if (found === claimant) claimants.delete(key);
        return undefined;
      }
      const rest = found.filter((other) => other !== claimant);
      claimants.set(key, rest.length === 1 ? rest[0]! : rest);
      return found[0] === claimant ? rest[0] : undefined;
    },
  };
}

/**
 * Redirects come before what they redirect; then the older service; then the order of keys, so that every node and
 * every run of one node decides alike.
 */
export function compareClaimants(a: ServiceState, b: ServiceState): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  const age = (a.service.createdAt ?? Infinity) - (b.service.createdAt ?? Infinity);
  if (age < 0 || age > 0) return age;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
