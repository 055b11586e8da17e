import type { LabelSet } from '@cilium-ts/identity';
import { labelSet } from '@cilium-ts/identity';
import { errorMessage } from '@cilium-ts/core';
import { PROTOCOL } from '../model/protocol.ts';
import type { FlowEnd, FlowRecord, FlowRequest } from './flow-record.ts';
import { directionOf, readNames, verdictOf } from './flow-words.ts';
import type { JsonObject } from './record-value.ts';
import { RecordError, isObject, join, optionalAddress, optionalList, optionalNumber, optionalObject, optionalText, own } from './record-value.ts';

/** Whether the object is a flow of Hubble, or Hubble's answer around one. */
export function isHubbleFlow(value: JsonObject): boolean {
  const flow = own(value, 'flow');
  if (isObject(flow)) return true;
  if (isObject(own(value, 'node_status')) || isObject(own(value, 'lost_events'))) return true;
  return own(value, 'traffic_direction') !== undefined || isObject(own(value, 'l4')) || isObject(own(value, 'IP'));
}

/**
 * The opening of a connection that a flow of Hubble reports; `undefined` for answers, responses, flows without transport
 * layer and everything else that is no opening.
 */
export function readHubbleFlow(value: JsonObject): Omit<FlowRecord, 'at'> | undefined {
  const flow = optionalObject(value, 'flow', '') ?? value;
  // An answer has its ends the other way round, and the opener's port where the server's is wanted.
  if (own(flow, 'is_reply') === true || own(flow, 'reply') === true) return undefined;
  const l7 = optionalObject(flow, 'l7', '');
  if (l7 !== undefined && own(l7, 'type') === 'RESPONSE') return undefined;
  const position = readTransport(optionalObject(flow, 'l4', ''));
  const ip = optionalObject(flow, 'IP', '');
  if (position === undefined || (ip === undefined && own(flow, 'source') === undefined)) return undefined;
  const request = l7 === undefined ? undefined : readRequest(l7);
  return {
    from: readEnd(flow, ip, 'source'),
    to: readEnd(flow, ip, 'destination'),
    ...position,
    ...directionOf(optionalText(flow, 'traffic_direction', '')),
    ...verdictOf(optionalText(flow, 'verdict', '')),
    ...(request === undefined ? {} : { request }),
  };
}

function readTransport(l4: JsonObject | undefined): { protocol: number; port: number } | undefined {
  if (l4 === undefined) return undefined;
  for (const [key, protocol] of [['TCP', PROTOCOL.TCP], ['UDP', PROTOCOL.UDP], ['SCTP', PROTOCOL.SCTP]] as const) {
    const header = optionalObject(l4, key, 'l4');
    if (header === undefined) continue;
    const port = optionalNumber(header, 'destination_port', `l4.${key}`) ?? 0;
    if (port > 65_535) throw new RecordError(`l4.${key}.destination_port`, `${port} is no port`, 'write 0 to 65535');
    return { protocol, port };
  }
  for (const [key, protocol] of [['ICMPv4', PROTOCOL.ICMP], ['ICMPv6', PROTOCOL.ICMPV6]] as const) {
    const header = optionalObject(l4, key, 'l4');
    // A type of 0 is left out.
    if (header !== undefined) return { protocol, port: Math.min(255, optionalNumber(header, 'type', `l4.${key}`) ?? 0) };
  }
  return undefined;
}

function readEnd(flow: JsonObject, ip: JsonObject | undefined, side: 'source' | 'destination'): FlowEnd {
  const end = optionalObject(flow, side, '');
  const address = ip === undefined ? undefined : optionalAddress(ip, side, 'IP');
  const identity = end === undefined ? undefined : optionalNumber(end, 'identity', side);
  const labels = end === undefined ? undefined : readLabelList(optionalList(end, 'labels', side), join(side, 'labels'));
  const names = readNames(optionalList(flow, `${side}_names`, '') ?? []);
  if (labels === undefined && identity === undefined && address === undefined) {
    throw new RecordError(side, 'has neither labels, identity nor address', 'record flows with these fields');
  }
  return {
    ...(identity === undefined || identity === 0 ? {} : { identity }),
    ...(labels === undefined ? {} : { labels }),
    ...(address === undefined ? {} : { address }),
    ...(names.length === 0 ? {} : { names }),
  };
}

/** Labels as an identity has them; `undefined` for none. */
export function readLabelList(list: readonly unknown[] | undefined, path: string): LabelSet | undefined {
  if (list === undefined || list.length === 0) return undefined;
  if (!list.every((text) => typeof text === 'string')) throw new RecordError(path, 'are no texts', 'write source:key=value');
  try {
    return labelSet(list);
  } catch (error) {
    throw new RecordError(path, errorMessage(error), 'write source:key=value');
  }
}

function readRequest(l7: JsonObject): FlowRequest | undefined {
  const http = optionalObject(l7, 'http', 'l7');
  if (http !== undefined) return readHttp(http);
  const dns = optionalObject(l7, 'dns', 'l7');
  const query = dns === undefined ? undefined : optionalText(dns, 'query', 'l7.dns');
  if (query !== undefined) return { kind: 'dns', name: query };
  const kafka = optionalObject(l7, 'kafka', 'l7');
  if (kafka === undefined) return undefined;
  const version = optionalNumber(kafka, 'api_version', 'l7.kafka');
  const topic = optionalText(kafka, 'topic', 'l7.kafka');
  const apiKey = optionalText(kafka, 'api_key', 'l7.kafka');
  return { kind: 'kafka', ...(apiKey === undefined ? {} : { apiKey }), ...(topic === undefined ? {} : { topic }), ...(version === undefined ? {} : { apiVersion: version }) };
}

function readHttp(http: JsonObject): FlowRequest {
  const url = optionalText(http, 'url', 'l7.http') ?? '/';
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)(.*)$/i.exec(url);
  const path = absolute === null ? url : absolute[2]!;
  const headers = (optionalList(http, 'headers', 'l7.http') ?? []).flatMap((header) => {
    const key = isObject(header) ? own(header, 'key') : undefined;
    const text = isObject(header) ? own(header, 'value') : undefined;
    return typeof key === 'string' && typeof text === 'string' ? [{ name: key, value: text }] : [];
  });
  return {
    kind: 'http',
    method: optionalText(http, 'method', 'l7.http') ?? 'GET',
    path: path.startsWith('/') ? path : `/${path}`,
    ...(absolute === null || absolute[1] === '' ? {} : { host: absolute[1]! }),
    ...(headers.length === 0 ? {} : { headers }),
  };
}
