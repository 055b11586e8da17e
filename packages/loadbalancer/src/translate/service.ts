import type { Cidr } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';
import type { Service, ServiceFrontend, TrafficDistribution } from '../model/service.ts';
import { defineService } from '../model/service.ts';
import type { ServiceObject } from '../schema/service.ts';
import { readCidrs } from './address.ts';
import { readAnnotations } from './annotations.ts';
import type { Keyed, TranslateContext } from './context.ts';
import { createdAt } from './context.ts';
import { readFrontends } from './service-frontends.ts';
import { checkPorts } from './service-ports.ts';

/** Kubernetes' default of `sessionAffinityConfig.clientIP.timeoutSeconds`. */
const DEFAULT_AFFINITY_TIMEOUT = 10800;

/** Where older objects have their source ranges, separated by commas. */
const SOURCE_RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges';

/** The service of a Kubernetes Service. What cannot be put into force is reported. */
export function translateService(object: ServiceObject, { header, root }: TranslateContext): Keyed<Service> {
  const { metadata, spec } = object;
  const field = root.child('spec');
  checkPorts(spec, field);
  const annotations = metadata.annotations ?? {};
  const { topology, ...annotated } = readAnnotations(annotations, root.child('metadata', 'annotations'));
  const frontends = readFrontends(object, root);
  reportUnreachable(object, frontends, field);
  const healthCheckNodePort = spec.healthCheckNodePort ?? 0;
  const service = defineService({
    namespace: header.namespace,
    name: metadata.name,
    ...selection(object),
    frontends,
    affinityTimeout: spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_TIMEOUT) : 0,
    externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
    internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster',
    trafficDistribution: distributionOf(spec.trafficDistribution, topology),
    sourceRanges: readSourceRanges(object, root),
    ...annotated,
    ...(healthCheckNodePort === 0 ? {} : { healthCheckNodePort }),
    wildcard: isManaged(spec.loadBalancerClass),
    ...createdAt(metadata.creationTimestamp),
    at: root.at,
  });
  return { ...service, key: header.key ?? '' };
}

/** Labels, and whom the service selects. Kubernetes ignores the selector of a name for something elsewhere. */
function selection({ metadata, spec }: ServiceObject): Pick<Service, 'labels' | 'selector'> {
  const labels = metadata.labels ?? {};
  const selector = spec.type === 'ExternalName' ? {} : (spec.selector ?? {});
  return { ...(Object.keys(labels).length > 0 && { labels }), ...(Object.keys(selector).length > 0 && { selector }) };
}

/** A class of its own says that somebody else announces the addresses; Cilium's classes begin with its name. */
function isManaged(loadBalancerClass: string | null | undefined): boolean {
  return loadBalancerClass === null || loadBalancerClass === undefined || loadBalancerClass.startsWith('io.cilium/');
}

function distributionOf(wish: ServiceObject['spec']['trafficDistribution'], annotated: boolean): TrafficDistribution {
  if (wish === 'PreferSameNode') return 'node';
  return wish === 'PreferClose' || wish === 'PreferSameZone' || annotated ? 'zone' : 'any';
}

function readSourceRanges({ spec, metadata }: ServiceObject, root: Field): readonly Cidr[] {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0) return readCidrs(ranges, root.child('spec', 'loadBalancerSourceRanges'));
  const annotated = metadata.annotations?.[SOURCE_RANGES_ANNOTATION];
  if (annotated === undefined || annotated.trim() === '') return [];
  return readCidrs(annotated.split(','), root.child('metadata', 'annotations', SOURCE_RANGES_ANNOTATION));
}

/** Nobody chooses addresses for objects in files: without one, nothing would ever lead to the service. */
function reportUnreachable({ spec }: ServiceObject, frontends: readonly ServiceFrontend[], field: Field): void {
  const headless = spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None';
  if (frontends.length > 0 || headless || spec.type === 'ExternalName' || field.failed) return;
  field.report({
    code: 'missing-field',
    message: 'nothing leads to the service: it has no clusterIP, externalIPs, nodePort or load-balancer address',
    remedy: 'add clusterIP with an address (nobody else chooses one for objects in files), or with None for a headless service',
    point: 'key',
  });
}
