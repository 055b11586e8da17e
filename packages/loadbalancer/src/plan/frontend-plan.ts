import { matchesSelector } from '../model/label-selector.ts';
import { protocolNumber } from '../model/protocol.ts';
import type { Scope } from '../model/records.ts';
import { SERVICE_FLAGS } from '../model/records.ts';
import type { FrontendKind, NodeExposure, Service, ServiceFrontend } from '../model/service.ts';
import type { Settings } from './options.ts';
import type { Finding } from './problem.ts';

/** One record that a frontend needs. */
export interface PlannedRecord {
  readonly frontend: ServiceFrontend;
  /** {@link frontendKey}. */
  readonly key: string;
  readonly scope: Scope;
  /** Bits of SERVICE_FLAGS, all but MAGLEV, which the pool decides. */
  readonly flags: number;
  /** Whether only backends of this node count. */
  readonly local: boolean;
}

/** What a service needs on this node, and what of it cannot be had whatever other services do. */
export interface FrontendPlan {
  readonly records: readonly PlannedRecord[];
  /** Frontends that this node can not have. */
  readonly refused: readonly ServiceFrontend[];
  readonly findings: readonly Finding[];
}

/** Identifies a frontend: `10.0.0.1|80|6`. */
export function frontendKey(address: string, port: number, protocol: number): string {
  return `${address}|${port}|${protocol}`;
}

/** The frontend for people: `10.0.0.1:80/TCP`, `[fd00::1]:80/TCP`. */
export function formatFrontend({ address, port, protocol }: Pick<ServiceFrontend, 'address' | 'port' | 'protocol'>): string {
  return `${address.family === 6 ? `[${address.text}]` : address.text}:${port}/${protocol}`;
}

/** Whether a frontend of that kind is for clients outside the cluster. */
export function isExternal(kind: FrontendKind): boolean {
  return kind === 'NodePort' || kind === 'LoadBalancer' || kind === 'ExternalIP';
}

/** The records of a service's frontends on this node. */
export function planFrontends(service: Service, settings: Settings): FrontendPlan {
  const records: PlannedRecord[] = [];
  const refused: ServiceFrontend[] = [];
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const exposedHere = isExposedHere(service.nodeExposure, settings);
  for (const frontend of service.frontends) {
    if (service.exposure !== undefined && !service.exposure.includes(frontend.kind)) continue;
    if (!exposedHere && isExternal(frontend.kind)) continue;
    const finding = refuse(frontend, settings);
    if (finding !== undefined) {
      findings.push({ ...finding, frontend: formatFrontend(frontend) });
      refused.push(frontend);
      continue;
    }
    const key = frontendKey(frontend.address.text, frontend.port, protocolNumber(frontend.protocol));
    // One address may be both an external IP and that of the load balancer: the first one named counts.
    if (!seen.has(key)) records.push(...recordsOf(frontend, key, { service, settings }));
    seen.add(key);
  }
  const whole = records.length === 0 ? familyOff(findings, refused) : undefined;
  return { records, refused, findings: whole === undefined ? findings : [whole] };
}

/** The one finding of a service all of whose frontends are of the family that is off: nothing of it works here. */
function familyOff(findings: readonly Finding[], refused: readonly ServiceFrontend[]): Finding | undefined {
  const family = refused[0]?.address.family;
  if (family === undefined || findings.some(({ code }) => code !== 'family-off')) return undefined;
  const message = `IPv${family} is switched off on this node, and the service has no other addresses`;
  return { code: 'family-off', message, remedy: `switch it on with enable-ipv${family}, or give the service an IPv${10 - family} address` };
}

function isExposedHere(exposure: NodeExposure | undefined, { nodeLabels }: Settings): boolean {
  if (exposure?.label !== undefined && nodeLabels['service.cilium.io/node'] !== exposure.label) return false;
  return exposure?.selector === undefined || matchesSelector(exposure.selector, nodeLabels);
}

function refuse({ kind, address, port }: ServiceFrontend, { nodePortRange: { first, last }, ipv4, ipv6 }: Settings): Finding | undefined {
  if (kind === 'NodePort' && (port < first || port > last)) {
    const message = `the NodePort is outside of this node's range ${first}-${last}`;
    return { code: 'node-port-range', message, remedy: 'choose a port of the range, or widen node-port-range' };
  }
  if (address.family === 4 ? ipv4 : ipv6) return undefined;
  const message = `IPv${address.family} is switched off on this node`;
  return { code: 'family-off', severity: 'warning', message, remedy: `enable-ipv${address.family} switches it on` };
}

const KIND_FLAGS: Readonly<Record<FrontendKind, number>> = {
  ClusterIP: 0,
  NodePort: SERVICE_FLAGS.NODE_PORT | SERVICE_FLAGS.ROUTABLE,
  LoadBalancer: SERVICE_FLAGS.LOAD_BALANCER | SERVICE_FLAGS.ROUTABLE,
  ExternalIP: SERVICE_FLAGS.EXTERNAL_IP | SERVICE_FLAGS.ROUTABLE,
  HostPort: SERVICE_FLAGS.HOST_PORT | SERVICE_FLAGS.ROUTABLE,
  LocalRedirect: SERVICE_FLAGS.LOCAL_REDIRECT,
};

interface Context {
  readonly service: Service;
  readonly settings: Settings;
}

/**
 * A frontend for outside whose two traffic policies differ has two records: clients outside follow the external policy,
 * those inside the internal one. All others have one. HostPorts and redirects have local backends by nature.
 */
function recordsOf(frontend: ServiceFrontend, key: string, { service, settings }: Context): readonly PlannedRecord[] {
  const common = commonFlags(frontend, service, settings);
  const internalLocal = service.internalTrafficPolicy === 'Local';
  const externalLocal = service.externalTrafficPolicy === 'Local';
  if (frontend.kind === 'ClusterIP') {
    const flags = common | (internalLocal ? SERVICE_FLAGS.INTERNAL_LOCAL : 0);
    return [{ frontend, key, scope: 'external', flags, local: internalLocal }];
  }
  if (!isExternal(frontend.kind)) return [{ frontend, key, scope: 'external', flags: common, local: false }];
  const policies = (externalLocal ? SERVICE_FLAGS.EXTERNAL_LOCAL : 0) | (internalLocal ? SERVICE_FLAGS.INTERNAL_LOCAL : 0);
  const scopes = externalLocal === internalLocal ? 0 : SERVICE_FLAGS.TWO_SCOPES;
  const flags = common | policies | scopes;
  const external: PlannedRecord = { frontend, key, scope: 'external', flags, local: externalLocal };
  return scopes === 0 ? [external] : [external, { frontend, key, scope: 'internal', flags, local: internalLocal }];
}

function commonFlags(frontend: ServiceFrontend, service: Service, settings: Settings): number {
  let flags = KIND_FLAGS[frontend.kind];
  if (frontend.kind === 'ClusterIP' && settings.externalClusterIp) flags |= SERVICE_FLAGS.ROUTABLE;
  if (service.affinityTimeout > 0 && settings.sessionAffinity) flags |= SERVICE_FLAGS.AFFINITY;
  if (hasSourceRanges(frontend.kind, service, settings)) {
    flags |= SERVICE_FLAGS.SOURCE_RANGE | (service.sourceRangePolicy === 'deny' ? SERVICE_FLAGS.SOURCE_DENY : 0);
  }
  if (isExternal(frontend.kind) && usesDsr(frontend, service, settings)) flags |= SERVICE_FLAGS.DSR;
  return flags;
}

function hasSourceRanges(kind: FrontendKind, service: Service, { sourceRangeAllTypes }: Settings): boolean {
  return service.sourceRanges.length > 0 && (kind === 'LoadBalancer' || sourceRangeAllTypes);
}

function usesDsr({ protocol }: ServiceFrontend, { forwardingMode }: Service, { mode }: Settings): boolean {
  if (forwardingMode !== undefined) return forwardingMode === 'dsr';
  return mode === 'dsr' || (mode === 'hybrid' && protocol === 'TCP');
}
