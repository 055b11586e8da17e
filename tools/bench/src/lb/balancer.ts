import { parseIp, type IpAddress } from '@cilium-ts/core';
import { createLoadBalancer, defineService, type EndpointSlice, type ForwardingMode, type FrontendKind, type LoadBalancer, type LoadBalancerOptions, type Protocol } from '@cilium-ts/loadbalancer';
import type { BenchService } from './service-set.ts';

/** How services are given to the load balancer. */
export interface BalancerOptions extends Partial<LoadBalancerOptions> {
  /** Default: ClusterIP. */
  readonly kind?: FrontendKind;
  /** Default: TCP. */
  readonly protocol?: Protocol;
  /** By the service's name; default: the node's own way. */
  readonly forwardingOf?: (name: string) => ForwardingMode;
}

/** A load balancer that has been told of these services, as the sources of the agent tell it. */
export function balancerOf(services: readonly BenchService[], options: BalancerOptions = {}): LoadBalancer {
  const { kind = 'ClusterIP', protocol = 'TCP', forwardingOf, ...rest } = options;
  const balancer = createLoadBalancer({ nodeName: 'bench', ...rest });
  services.forEach((each) => pushService(balancer, each, { kind, protocol, forwardingMode: forwardingOf?.(each.name) }));
  return balancer;
}

interface Shape {
  readonly kind: FrontendKind;
  readonly protocol: Protocol;
  readonly forwardingMode: ForwardingMode | undefined;
}

function pushService(balancer: LoadBalancer, { name, address, port, backends }: BenchService, { kind, protocol, forwardingMode }: Shape): void {
  const frontend = { kind, address: addressOf(address), port, protocol, portName: '' };
  balancer.upsertService(name, defineService({ name, namespace: 'bench', frontends: [frontend], ...(forwardingMode !== undefined && { forwardingMode }) }));
  balancer.setEndpoints(name, sliceOf(name, backends, protocol));
}

/** The endpoints of a service. All have one port. */
export function sliceOf(service: string, backends: BenchService['backends'], protocol: Protocol = 'TCP'): EndpointSlice {
  return {
    namespace: 'bench',
    service,
    ports: [{ name: '', protocol, port: backends[0]?.port ?? 1 }],
    endpoints: backends.map(({ address }) => ({ addresses: [addressOf(address)], state: 'active' })),
  };
}

export function addressOf(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new TypeError(`not an address: ${text}`);
  return address;
}
