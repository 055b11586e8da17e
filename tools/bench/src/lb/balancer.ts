import { parseIp, type IpAddress } from '@cilium-ts/core';
import { createLoadBalancer, defineService, type EndpointSlice, type ForwardingMode, type FrontendKind, type LoadBalancer, type LoadBalancerOptions, type Protocol, type Service } from '@cilium-ts/loadbalancer';
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

/** A load balancer that has been told of these services. */
export function balancerOf(services: readonly BenchService[], options: BalancerOptions = {}): LoadBalancer {
  const objects = objectsOf(services, options);
  const { kind: _kind, protocol: _protocol, forwardingOf: _forwardingOf, ...rest } = options;
  return pushAll(createLoadBalancer({ nodeName: 'bench', ...rest }), objects);
}

/** A service and its endpoints, as the agent's sources have them once they have parsed them. */
export interface ServiceObjects {
  readonly service: Service;
  readonly slice: EndpointSlice;
}

/** The objects of these services. */
export function objectsOf(services: readonly BenchService[], { kind = 'ClusterIP', protocol = 'TCP', forwardingOf }: BalancerOptions = {}): ServiceObjects[] {
  return services.map(({ name, address, port, backends }) => {
    const frontend = { kind, address: addressOf(address), port, protocol, portName: '' };
    const forwardingMode = forwardingOf?.(name);
    const service = defineService({ name, namespace: 'bench', frontends: [frontend], ...(forwardingMode !== undefined && { forwardingMode }) });
    return { service, slice: sliceOf(name, backends, protocol) };
  });
}

/** Tells a load balancer of objects. */
export function pushAll(balancer: LoadBalancer, objects: readonly ServiceObjects[]): LoadBalancer {
  for (const { service, slice } of objects) {
    balancer.upsertService(service.name, service);
    balancer.setEndpoints(service.name, slice);
  }
  return balancer;
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
