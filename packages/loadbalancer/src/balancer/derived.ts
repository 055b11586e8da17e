import { cidrContains } from '@cilium-ts/core';
import { parseIp } from '@cilium-ts/core';
import type { Endpoint, EndpointSlice } from '../model/endpoints.ts';
import { matchesSelector } from '../model/label-selector.ts';
import type { Pod, PodPort } from '../model/pod.ts';
import type { LocalRedirect, RedirectPort } from '../model/redirect.ts';
import type { Service, ServiceFrontend } from '../model/service.ts';
import { defineService } from '../model/service.ts';
import type { Settings } from '../plan/options.ts';
import type { Finding } from '../plan/problem.ts';

/** A service that something other than a Service object makes, with its backends. */
export interface DerivedService {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  /** What is wrong with that which it is derived from. */
  readonly findings: readonly Finding[];
}

const ANY_ADDRESS = { 4: parseIp('0.0.0.0')!, 6: parseIp('::')! } as const;

/** The service of a pod's host ports; `undefined` for a pod without any, or of another node. */
export function hostPortService(pod: Pod, settings: Settings): DerivedService | undefined {
  const ports = pod.ports.filter(({ hostPort }) => hostPort !== undefined);
  if (ports.length === 0 || !isHere(pod, settings)) return undefined;
  const families = new Set(pod.addresses.map(({ family }) => family));
  const frontends = ports.flatMap((port): ServiceFrontend[] => {
    const addresses = port.hostIp === undefined ? [...families].map((family) => ANY_ADDRESS[family]) : [port.hostIp];
    return addresses.map((address) => ({ kind: 'HostPort', address, port: port.hostPort!, protocol: port.protocol, portName: nameOf(port) }));
  });
  const { namespace } = pod;
  const name = `${pod.name}/host-port`;
  const base = { namespace, name, frontends, ...provenance(pod) };
  return { service: defineService(base), slices: [sliceOf(namespace, name, pod, ports)], findings: [] };
}

function nameOf({ protocol, port, hostPort }: PodPort): string {
  return `${hostPort}-${port}-${protocol}`;
}

function sliceOf(namespace: string, service: string, pod: Pod, ports: readonly PodPort[]): EndpointSlice {
  return {
    namespace,
    service,
    ports: ports.map((port) => ({ name: nameOf(port), protocol: port.protocol, port: port.port })),
    endpoints: [endpointOf(pod)],
  };
}

function endpointOf({ addresses, state, nodeName }: Pod): Endpoint {
  return { addresses, state, ...(nodeName === undefined ? {} : { nodeName }) };
}

/** What redirects look at. */
export interface RedirectScene {
  readonly pods: Iterable<Pod>;
  readonly settings: Settings;
  /** ClusterIP frontends of the service of that `namespace/name`. */
  clusterFrontends(service: string): readonly ServiceFrontend[];
}

/**
 * The service of a local redirect policy. It has no frontends while no pod of this node is ready for it: then traffic
 * goes where it would go without the policy.
 */
export function redirectService(redirect: LocalRedirect, scene: RedirectScene): DerivedService {
  const { namespace } = redirect;
  const name = `${redirect.name}/local-redirect`;
  const pods = [...scene.pods].filter((pod) => isMeant(pod, redirect, scene.settings));
  const slices = pods.map((pod) => podSlice(namespace, name, pod, redirect));
  const ready = pods.some(({ state }) => state === 'active');
  const { frontends, findings } = redirectFrontends(redirect, scene);
  const base = { namespace, name, frontends: ready ? frontends : [], wildcard: false, ...provenance(redirect) };
  return { service: defineService(base), slices, findings };
}

function isMeant(pod: Pod, { namespace, selector }: LocalRedirect, settings: Settings): boolean {
  return pod.namespace === namespace && isHere(pod, settings) && matchesSelector(selector, pod.labels);
}

function isHere({ nodeName }: Pod, settings: Settings): boolean {
  return nodeName === undefined || nodeName === settings.nodeName;
}

function podSlice(namespace: string, service: string, pod: Pod, { ports }: LocalRedirect): EndpointSlice {
  const named = ports.map((port) => ({ name: ports.length === 1 ? 'redirect' : port.name, protocol: port.protocol, port: port.port }));
  return { namespace, service, ports: named, endpoints: [endpointOf(pod)] };
}

interface Redirected {
  readonly frontends: readonly ServiceFrontend[];
  readonly findings: readonly Finding[];
}

function redirectFrontends(redirect: LocalRedirect, scene: RedirectScene): Redirected {
  const { frontend } = redirect;
  if (frontend.kind === 'address') return { frontends: addressFrontends(redirect, scene.settings), findings: addressFindings(redirect, scene.settings) };
  const found = scene.clusterFrontends(frontend.service);
  if (found.length === 0) return { frontends: [], findings: [noService(frontend.service)] };
  const wanted = found.filter((known) => frontend.ports.length === 0 || frontend.ports.some((port) => isPort(port, known)));
  return { frontends: wanted.map((known) => ({ ...redirected(known), portName: target(known.portName, redirect) })), findings: [] };
}

function redirected({ address, port, protocol, portName }: ServiceFrontend): ServiceFrontend {
  return { kind: 'LocalRedirect', address, port, protocol, portName };
}

function isPort({ port, protocol }: RedirectPort, known: ServiceFrontend): boolean {
  return port === known.port && protocol === known.protocol;
}

/** A policy with one backend port sends everything there; one with several pairs them by name. */
function target(name: string, { ports }: LocalRedirect): string {
  return ports.length === 1 ? 'redirect' : name;
}

function addressFrontends(redirect: LocalRedirect, settings: Settings): readonly ServiceFrontend[] {
  const { frontend } = redirect;
  if (frontend.kind !== 'address' || !isAllowed(frontend.address, settings)) return [];
  const { address } = frontend;
  return frontend.ports.map(({ name, protocol, port }) => ({ kind: 'LocalRedirect', address, port, protocol, portName: target(name, redirect) }));
}

function addressFindings({ frontend }: LocalRedirect, settings: Settings): readonly Finding[] {
  if (frontend.kind !== 'address' || isAllowed(frontend.address, settings)) return [];
  const message = `policies of this node may not redirect ${frontend.address.text}`;
  return [{ code: 'redirect', message, remedy: 'add its prefix to lrp-address-matcher-cidrs, or redirect a service' }];
}

function isAllowed(address: Parameters<typeof cidrContains>[1], { redirectCidrs }: Settings): boolean {
  return redirectCidrs.length === 0 || redirectCidrs.some((cidr) => cidrContains(cidr, address));
}

function noService(service: string): Finding {
  const message = `there is no service ${service} with a cluster IP`;
  return { code: 'redirect', severity: 'warning', message, remedy: 'create the service, or correct its name in serviceMatcher' };
}

function provenance({ createdAt, at }: Pick<Service, 'createdAt' | 'at'>): Pick<Service, 'createdAt' | 'at'> {
  return { ...(createdAt === undefined ? {} : { createdAt }), ...(at === undefined ? {} : { at }) };
}
