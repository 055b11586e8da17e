import type { ServiceState } from '../balancer/service-state.ts';
import type { Shared } from '../balancer/shared.ts';

/** What load balancers outside ask the node: whether it has backends of a service of its own. */
export interface ServiceHealthCheck {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Where the node answers (healthCheckNodePort). */
  readonly port: number;
  /** Active endpoints of the service on this node. One of each family counts as one: what has two addresses is in two slices. */
  readonly localEndpoints: number;
}

/** The health checks of services with externalTrafficPolicy `Local`. */
export function healthChecksOf(states: Iterable<ServiceState>, { settings }: Shared): readonly ServiceHealthCheck[] {
  const checks: ServiceHealthCheck[] = [];
  for (const { key, service, slices } of states) {
    const { namespace, name, healthCheckNodePort: port } = service;
    if (port === undefined || service.externalTrafficPolicy !== 'Local') continue;
    const local = { 4: new Set<string>(), 6: new Set<string>() };
    for (const { endpoints } of slices.values()) {
      for (const { state, nodeName, addresses } of endpoints) {
        const [address] = addresses;
        if (state === 'active' && nodeName === settings.nodeName && address !== undefined) local[address.family].add(address.text);
      }
    }
    checks.push({ key, namespace, name, port, localEndpoints: Math.max(local[4].size, local[6].size) });
  }
  return checks;
}
