import type { MonitorEnd, MonitorEvent } from '@cilium-ts/agent-api';
import type { DatapathEvent, DecodedVerdict } from '@cilium-ts/datapath-layout';

/** Names for numbers, as they are when the event is looked at. */
export interface Resolver {
  /** Labels of an identity; empty if nobody knows it (any more). */
  labelsOf(identity: number): readonly string[];
  /** What people call an endpoint. */
  nameOf(endpointId: number): string | undefined;
}

/** CLOCK_MONOTONIC to wall clock: nanoseconds to add. */
export const monotonicOffset = (): bigint => BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

const endOf = (end: DatapathEvent['source'], resolver: Resolver): MonitorEnd => ({
  ...(end.ip && { ip: end.ip.text }),
  ...(end.port !== undefined && { port: end.port }),
  identity: end.identity,
  labels: [...resolver.labelsOf(end.identity)],
  ...(end.endpoint !== undefined && { 'endpoint-id': end.endpoint }),
  ...nameOf(end.endpoint, resolver),
});

const nameOf = (endpoint: number | undefined, resolver: Resolver): { name?: string } => {
  const name = endpoint === undefined ? undefined : resolver.nameOf(endpoint);
  return name === undefined ? {} : { name };
};

const reasonOf = (event: DatapathEvent): string => (event.related ? 'related' : event.reply ? 'reply' : event.recovered ? 'recovered' : 'new');

/** The verdict that counts: the one that denies, or the one of the side the event is about. */
const decisive = ({ egressVerdict, ingressVerdict, direction }: DatapathEvent): DecodedVerdict | undefined => {
  const denies = [egressVerdict, ingressVerdict].find((verdict) => verdict && verdict.action !== 'allow');
  return denies ?? (direction === 'ingress' ? (ingressVerdict ?? egressVerdict) : (egressVerdict ?? ingressVerdict));
};

/** An event of the datapath in the API's form; one for each thing it says (a verdict may carry its trace). */
export const monitorEvents = (event: DatapathEvent, resolver: Resolver, offset: bigint): MonitorEvent[] => {
  const endpoint = event.direction === 'ingress' ? event.destination.endpoint : event.source.endpoint;
  const packet = {
    timestamp: new Date(Number((event.timestamp + offset) / 1_000_000n)).toISOString(),
    source: endOf(event.source, resolver),
    destination: endOf(event.destination, resolver),
    protocol: event.protocol?.name ?? `ethertype 0x${event.etherType.toString(16).padStart(4, '0')}`,
    ...(event.family !== undefined && { family: event.family }),
    direction: event.direction,
    ...(endpoint !== undefined && { 'endpoint-id': endpoint }),
    'interface-index': event.ifindex,
    length: event.length,
    ...(event.tcpFlags && { 'tcp-flags': [...event.tcpFlags] }),
    ...(event.icmpType !== undefined && { 'icmp-type': event.icmpType }),
  };
  if (event.kind === 'drop') return [{ type: 'drop', ...packet, reason: event.reason?.code ?? 0, 'reason-name': event.reason?.text ?? 'unknown' }];
  const views: MonitorEvent[] = [];
  const verdict = decisive(event);
  if (event.kind === 'verdict') {
    const action = event.audited ? 'audit' : verdict && verdict.action !== 'allow' ? 'deny' : 'allow';
    views.push({ type: 'policy-verdict', ...packet, action, match: verdict?.matchName ?? 'none' });
  }
  if (event.tracePoint !== undefined) views.push({ type: 'trace', ...packet, point: event.tracePoint, reason: reasonOf(event) });
  return views;
};

/** Whether an event has the endpoint at either end. */
export const isRelatedTo = (event: MonitorEvent, endpointId: number): boolean => {
  if (event.type === 'start' || event.type === 'lost') return true;
  if (event.type === 'agent') return event['endpoint-id'] === endpointId;
  return event.source['endpoint-id'] === endpointId || event.destination['endpoint-id'] === endpointId || event['endpoint-id'] === endpointId;
};
