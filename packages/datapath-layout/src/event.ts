import { decodeBytes } from '@cilium-ts/bpf-maps';
import { ipFromKey16, type IpAddress } from '@cilium-ts/core';
import { EVENT_VERSION } from './generated/constants.ts';
import { EVENT_FLAG, EVENT_TYPE } from './generated/enums.ts';
import { event, type Event } from './generated/structs.ts';
import { directionName, protocolName, reasonName, tcpFlagNames, tracePointName, type DirectionName } from './names.ts';
import { decodeVerdict, type DecodedVerdict } from './verdict.ts';

/** One end of an event. */
export interface EventEnd {
  /** Undefined when the packet could not be parsed that far. */
  readonly ip: IpAddress | undefined;
  /** Undefined for protocols without ports. */
  readonly port: number | undefined;
  readonly identity: number;
  /** The endpoint's id; undefined when not local. */
  readonly endpoint: number | undefined;
}

/** What happened to a packet, decoded. */
export interface DatapathEvent {
  /** A verdict of an allowed first packet may carry its trace too (`tracePoint`). */
  readonly kind: 'drop' | 'verdict' | 'trace';
  /** CLOCK_MONOTONIC, in nanoseconds. */
  readonly timestamp: bigint;
  readonly direction: DirectionName;
  /** Present on drops. */
  readonly reason?: { readonly code: number; readonly text: string };
  /** Present where the packet was sent on. */
  readonly tracePoint?: string;
  readonly family: 4 | 6 | undefined;
  readonly protocol: { readonly number: number; readonly name: string } | undefined;
  readonly source: EventEnd;
  readonly destination: EventEnd;
  /** What the source's egress policy said, where it was asked. */
  readonly egressVerdict?: DecodedVerdict;
  /** What the destination's ingress policy said, where it was asked. */
  readonly ingressVerdict?: DecodedVerdict;
  readonly tcpFlags?: readonly string[];
  readonly icmpType?: number;
  readonly etherType: number;
  readonly ifindex: number;
  /** Of the packet, Ethernet header included. */
  readonly length: number;
  readonly reply: boolean;
  readonly related: boolean;
  readonly audited: boolean;
  readonly fragment: boolean;
  /** The flow was found again by the local end's socket. */
  readonly recovered: boolean;
}

/**
 * Decodes one record of cilium_events.
 * @returns undefined for a record of another version or of an unknown type
 * @throws RangeError when the record is too short
 */
export function decodeEvent(bytes: Uint8Array): DatapathEvent | undefined {
  if (bytes.length < event.size) throw new RangeError(`bytes: an event has ${event.size} bytes, got ${bytes.length}`);
  const raw = decodeBytes(event, bytes);
  const kind = kindOf(raw.type);
  if (raw.version !== EVENT_VERSION || kind === undefined) return undefined;
  const has = (flag: number): boolean => (raw.flags & flag) !== 0;
  const tuple = has(EVENT_FLAG.TUPLE);
  const traced = kind === 'trace' || has(EVENT_FLAG.WITH_TRACE);
  return {
    kind,
    timestamp: raw.timestamp,
    direction: directionName(raw.direction),
    ...(kind === 'drop' && { reason: { code: raw.reason, text: reasonName(raw.reason) } }),
    ...(traced && { tracePoint: tracePointName(raw.point) }),
    family: tuple ? (has(EVENT_FLAG.IPV6) ? 6 : 4) : undefined,
    protocol: tuple ? { number: raw.protocol, name: protocolName(raw.protocol) } : undefined,
    source: endOf(raw, 'source', tuple),
    destination: endOf(raw, 'destination', tuple),
    ...(has(EVENT_FLAG.EGRESS_JUDGED) && { egressVerdict: decodeVerdict(raw.egressVerdict) }),
    ...(has(EVENT_FLAG.INGRESS_JUDGED) && { ingressVerdict: decodeVerdict(raw.ingressVerdict) }),
    ...(tuple && raw.protocol === 6 && { tcpFlags: tcpFlagNames(raw.tcpFlags) }),
    ...(tuple && (raw.protocol === 1 || raw.protocol === 58) && { icmpType: raw.icmpType }),
    etherType: raw.ethertype,
    ifindex: raw.ifindex,
    length: raw.length,
    reply: has(EVENT_FLAG.REPLY),
    related: has(EVENT_FLAG.RELATED),
    audited: has(EVENT_FLAG.AUDITED),
    fragment: has(EVENT_FLAG.FRAGMENT),
    recovered: has(EVENT_FLAG.RECOVERED),
  };
}

function kindOf(type: number): DatapathEvent['kind'] | undefined {
  if (type === EVENT_TYPE.DROP) return 'drop';
  if (type === EVENT_TYPE.VERDICT) return 'verdict';
  return type === EVENT_TYPE.TRACE ? 'trace' : undefined;
}

function endOf(raw: Event, side: 'source' | 'destination', tuple: boolean): EventEnd {
  const endpoint = side === 'source' ? raw.sourceEndpoint : raw.destinationEndpoint;
  const port = side === 'source' ? raw.sourcePort : raw.destinationPort;
  return {
    ip: tuple ? ipFromKey16(raw[side]) : undefined,
    port: tuple && [6, 17, 132].includes(raw.protocol) ? port : undefined,
    identity: side === 'source' ? raw.sourceIdentity : raw.destinationIdentity,
    endpoint: endpoint === 0 ? undefined : endpoint,
  };
}
