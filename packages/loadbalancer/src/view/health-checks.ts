import type { ServiceState } from '../balancer/service-state.ts';
import type { Shared } from '../balancer/shared.ts';

/** What load balancers outside ask the node: whether it has backends of a service of its own. */
export interface ServiceHealthCheck {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Where the node answers (healthCheckNodePort). */
  readonly port: number;
  /** Active endpoints of the service on this node. */
  readonly localEndpoints: number;
}

/** The health checks of services with externalTrafficPolicy `Local`. */
export function healthChecksOf(states: Iterable<ServiceState>, { settings }: Shared): readonly ServiceHealthCheck[] {
  const checks: ServiceHealthCheck[] = [];
  for (const { key, service, slices } of states) {
    const { namespace, name, healthCheckNodePort: port } = service;
    if (port === undefined || service.externalTrafficPolicy !== 'Local') continue;
    const local = new Set<string>();
    for (const { endpoints } of slices.values()) {
      for (const { state, nodeName, addresses } of endpoints) {
        if (state === 'active' && nodeName === settings.nodeName && addresses[0] !== undefined) local.add(addresses[0].text);
      }
    }
    checks.push({ key, namespace, name, port, localEndpoints: local.size });
  }
  return checks;
}
