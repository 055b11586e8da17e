import type { IpAddress } from '@cilium-ts/core';
import { parseIp } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';
import type { FrontendKind, ServiceFrontend } from '../model/service.ts';
import type { ServiceObject, ServicePortSpec } from '../schema/service.ts';
import { readAddress, readAddresses } from './address.ts';

const ANY_ADDRESS = { IPv4: parseIp('0.0.0.0')!, IPv6: parseIp('::')! } as const;

/** All addresses and ports by which a Kubernetes Service is reached. */
export function readFrontends({ spec, status }: ServiceObject, root: Field): readonly ServiceFrontend[] {
  const { type = 'ClusterIP' } = spec;
  if (type === 'ExternalName') return [];
  const field = root.child('spec');
  const clusterIps = readClusterIps(spec, field);
  const ports = spec.ports ?? [];
  const frontends = atAddresses('ClusterIP', clusterIps, ports);
  if (type !== 'ClusterIP') frontends.push(...nodePorts(spec, clusterIps));
  if (type === 'LoadBalancer') frontends.push(...atAddresses('LoadBalancer', readIngress({ spec, status }, root), ports));
  frontends.push(...atAddresses('ExternalIP', readAddresses(spec.externalIPs, field.child('externalIPs')), ports));
  return frontends;
}

function atAddresses(kind: FrontendKind, addresses: readonly IpAddress[], ports: readonly ServicePortSpec[]): ServiceFrontend[] {
  return addresses.flatMap((address) => ports.map(({ name = '', port, protocol = 'TCP' }) => ({ kind, address, port, protocol, portName: name })));
}

/** `clusterIPs`, of which `clusterIP` repeats the first. */
function readClusterIps({ clusterIP, clusterIPs }: ServiceObject['spec'], field: Field): readonly IpAddress[] {
  const list = (clusterIPs ?? []).length > 0 ? clusterIPs! : clusterIP === undefined || clusterIP === '' ? [] : [clusterIP];
  const at = (index: number): Field => ((clusterIPs ?? []).length > 0 ? field.child('clusterIPs', index) : field.child('clusterIP'));
  if (clusterIP !== undefined && clusterIP !== '' && list[0] !== clusterIP) {
    field.child('clusterIP').report({ code: 'invalid-value', message: `clusterIP is ${clusterIP}, but clusterIPs begins with ${list[0]}`, remedy: 'let clusterIP repeat the first of clusterIPs, or remove it' });
  }
  if (list.length === 1 && list[0] === 'None') return [];
  const addresses = list.flatMap((text, index) => readAddress(text, at(index)) ?? []);
  if (addresses.length > 2 || (addresses.length === 2 && addresses[0]!.family === addresses[1]!.family)) {
    field.child('clusterIPs').report({ code: 'invalid-value', message: 'clusterIPs has two addresses of one family', remedy: 'keep at most one IPv4 and one IPv6 address' });
  }
  return addresses;
}

function nodePorts({ ipFamilies, ports }: ServiceObject['spec'], clusterIps: readonly IpAddress[]): readonly ServiceFrontend[] {
  const fromAddresses = clusterIps.map(({ family }) => `IPv${family}` as const);
  const stated = (ipFamilies ?? []).length > 0 ? ipFamilies! : fromAddresses;
  const families = stated.length > 0 ? stated : (['IPv4', 'IPv6'] as const);
  const addresses = [...new Set(families)].map((family) => ANY_ADDRESS[family]);
  const exposed = (ports ?? []).flatMap((port) => (port.nodePort === undefined || port.nodePort === 0 ? [] : [{ ...port, port: port.nodePort }]));
  return atAddresses('NodePort', addresses, exposed);
}

/** What the cloud or an address pool has given, without what a proxy of its own terminates; else what was asked for. */
function readIngress({ spec, status }: Pick<ServiceObject, 'spec' | 'status'>, root: Field): readonly IpAddress[] {
  const ingress = status?.loadBalancer?.ingress ?? [];
  if (ingress.length === 0 && spec.loadBalancerIP !== undefined && spec.loadBalancerIP !== '') {
    const address = readAddress(spec.loadBalancerIP, root.child('spec', 'loadBalancerIP'));
    return address === undefined ? [] : [address];
  }
  return ingress.flatMap(({ ip, ipMode }, index) => {
    if (ip === undefined || ip === '' || ipMode === 'Proxy') return [];
    return readAddress(ip, root.child('status', 'loadBalancer', 'ingress', index, 'ip')) ?? [];
  });
}
