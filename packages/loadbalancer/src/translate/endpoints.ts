import type { IpAddress } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';
import type { Endpoint, EndpointPort, EndpointSlice, EndpointState } from '../model/endpoints.ts';
import type { EndpointPortSpec, EndpointsObject, EndpointSliceObject, EndpointSpec, SubsetAddressSpec, SubsetSpec } from '../schema/endpoints.ts';
import { readAddress, readAddresses } from './address.ts';
import type { Keyed, TranslateContext } from './context.ts';

const SERVICE_LABEL = 'kubernetes.io/service-name';

/** Share of connections of all endpoints of an object, 0–65535; Kubernetes has no field for it. */
const WEIGHT_ANNOTATION = 'service.cilium.io/weight';

/** The slice of a Kubernetes EndpointSlice. What cannot be put into force is reported. */
export function translateEndpointSlice(object: EndpointSliceObject, { header, root }: TranslateContext): Keyed<EndpointSlice> {
  const service = object.metadata.labels?.[SERVICE_LABEL];
  if (service === undefined || service === '') {
    root.child('metadata', 'labels').report({ code: 'missing-field', message: `the label ${SERVICE_LABEL} is missing`, remedy: 'add it with the name of the service that the endpoints are of', point: 'key' });
  }
  if (object.addressType === 'FQDN') {
    root.child('addressType').report({ code: 'unenforceable', message: 'addressType FQDN cannot be put into force: packets are sent to addresses', remedy: 'write the addresses, as IPv4 or IPv6' });
  }
  const weight = readWeight(object.metadata.annotations, root);
  const endpoints = (object.endpoints ?? []).map((endpoint, index) => {
    const field = root.child('endpoints', index);
    const addresses = readAddresses(endpoint.addresses, field.child('addresses'));
    checkFamily(addresses, object.addressType, field);
    return translateEndpoint(endpoint, addresses, weight);
  });
  const ports = readPorts(object.ports, root.child('ports'));
  return { key: header.key ?? '', namespace: header.namespace, service: service ?? '', ports, endpoints, at: root.at };
}

function checkFamily(addresses: readonly IpAddress[], type: EndpointSliceObject['addressType'], field: Field): void {
  addresses.forEach(({ family, text }, index) => {
    if (type === 'FQDN' || type === `IPv${family}`) return;
    field.child('addresses', index).report({ code: 'invalid-value', message: `${text} is not an ${type} address`, remedy: `move it to a slice with addressType IPv${family}` });
  });
}

function translateEndpoint(endpoint: EndpointSpec, addresses: readonly IpAddress[], weight: number | undefined): Endpoint {
  const { nodeName, hints } = endpoint;
  const zone = endpoint.zone ?? endpoint.deprecatedTopology?.['topology.kubernetes.io/zone'];
  return {
    addresses,
    state: stateOf(endpoint.conditions ?? {}),
    ...(nodeName === null || nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...((hints?.forZones ?? []).length === 0 ? {} : { zoneHints: hints!.forZones!.map(({ name }) => name) }),
    ...((hints?.forNodes ?? []).length === 0 ? {} : { nodeHints: hints!.forNodes!.map(({ name }) => name) }),
    ...(weight === undefined ? {} : { weight }),
  };
}

/** As Cilium maps them; an unknown condition counts as Kubernetes says: ready, and serving if ready. */
function stateOf({ ready, serving, terminating }: NonNullable<EndpointSpec['conditions']>): EndpointState {
  if (ready ?? true) return 'active';
  if (terminating === true) return serving === true ? 'terminating' : 'draining';
  return 'maintenance';
}

/** The slices of a Kubernetes Endpoints object: one per subset. */
export function translateEndpoints(object: EndpointsObject, { header, root }: TranslateContext): readonly Keyed<EndpointSlice>[] {
  const weight = readWeight(object.metadata.annotations, root);
  const { namespace } = header;
  return (object.subsets ?? []).map((subset, index) => {
    const field = root.child('subsets', index);
    const endpoints = translateSubset(subset, field, weight);
    const ports = readPorts(subset.ports, field.child('ports'));
    return { key: `${header.key ?? ''}/${index}`, namespace, service: object.metadata.name, ports, endpoints, at: field.at };
  });
}

function translateSubset(subset: SubsetSpec, field: Field, weight: number | undefined): readonly Endpoint[] {
  const read = (list: readonly SubsetAddressSpec[] | null | undefined, name: string, state: EndpointState): readonly Endpoint[] =>
    (list ?? []).flatMap(({ ip, nodeName }, index) => {
      const address = readAddress(ip, field.child(name, index, 'ip'));
      if (address === undefined) return [];
      const place = nodeName === null || nodeName === undefined ? {} : { nodeName };
      return [{ addresses: [address], state, ...place, ...(weight === undefined ? {} : { weight }) }];
    });
  return [...read(subset.addresses, 'addresses', 'active'), ...read(subset.notReadyAddresses, 'notReadyAddresses', 'maintenance')];
}

function readPorts(ports: readonly EndpointPortSpec[] | null | undefined, field: Field): readonly EndpointPort[] {
  return (ports ?? []).flatMap(({ name, protocol, port }, index): EndpointPort[] => {
    if (port !== null && port !== undefined) return [{ name: name ?? '', protocol: protocol ?? 'TCP', port }];
    field.child(index).report({ code: 'unenforceable', message: 'a port without a number ("all ports") cannot be put into force', remedy: 'add port with a number' });
    return [];
  });
}

function readWeight(annotations: Readonly<Record<string, string>> | null | undefined, root: Field): number | undefined {
  const text = annotations?.[WEIGHT_ANNOTATION];
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text);
  const message = `the string ${JSON.stringify(text)} is no weight`;
  root.child('metadata', 'annotations', WEIGHT_ANNOTATION).report({ code: 'invalid-value', message, remedy: 'use a whole number from 0 to 65535' });
  return undefined;
}
