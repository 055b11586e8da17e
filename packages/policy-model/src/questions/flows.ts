import type { LabelSet } from '@cilium-ts/identity';
import { createReservedIdentities } from '@cilium-ts/identity';
import { parseProtocol, positionMeaning } from '../model/protocol.ts';
import type { FlowEnd, FlowRecord, FlowRequest, RecordIssue } from './flow-record.ts';
import { directionOf, readNames, verdictOf } from './flow-words.ts';
import { isHubbleFlow, readHubbleFlow } from './hubble-flow.ts';
import { isMonitorEvent, readMonitorEvent } from './monitor-event.ts';
import type { JsonObject } from './record-value.ts';
import { RecordError, isObject, join, optionalAddress, optionalList, optionalNumber, optionalObject, optionalText, own, readLabels } from './record-value.ts';

/** How {@link parseFlows} reads. */
export interface FlowsOptions {
  readonly file?: string;
  /** Cluster of workloads whose labels do not say it. Default `default`. */
  readonly clusterName?: string;
}

/** What {@link parseFlows} found. */
export interface ParsedFlows {
  readonly flows: readonly FlowRecord[];
  /** Lines that are well-formed and about no opening of a connection: answers, events of the agent, lost events. */
  readonly skipped: number;
  readonly issues: readonly RecordIssue[];
}

/**
 * Reads recorded flows, one JSON object a line: in the form of {@link FlowRecord} (ends as `{labels, namespace, identity, ip,
 * names}`, a list of labels, or the number of an identity), as Hubble prints them (`hubble observe -o jsonpb` or `json`),
 * or as `cilium monitor -o json` does. A JSON list of such objects will do as well. Bad lines never throw: `issues` say
 * which are left out and why.
 */
export function parseFlows(text: string, { file, clusterName = 'default' }: FlowsOptions = {}): ParsedFlows {
  const flows: FlowRecord[] = [];
  const issues: RecordIssue[] = [];
  let skipped = 0;
  const place = file === undefined ? {} : { file };
  const take = (value: unknown, line: number): void => {
    try {
      const flow = readFlow(value, clusterName);
      if (flow === undefined) skipped++;
      else flows.push({ ...flow, at: { ...place, line } });
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      issues.push({ severity: 'error', ...place, line, field: error.field, message: error.message, remedy: error.remedy });
    }
  };
  const whole = wholeList(text);
  if (whole !== undefined) {
    whole.forEach((value) => take(value, 1));
    return { flows, skipped, issues };
  }
  let line = 0;
  for (const part of text.split('\n')) {
    line++;
    if (part.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(part);
    } catch {
      issues.push({ severity: 'error', ...place, line, field: '', message: 'the line is no JSON', remedy: 'write one JSON object a line' });
      continue;
    }
    take(value, line);
  }
  return { flows, skipped, issues };
}

/** The members of a text that is one JSON list. */
function wholeList(text: string): readonly unknown[] | undefined {
  if (!/^\s*\[/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readFlow(value: unknown, clusterName: string): Omit<FlowRecord, 'at'> | undefined {
  if (!isObject(value)) throw new RecordError('', 'is no object', 'write one JSON object a line');
  if (isHubbleFlow(value)) return readHubbleFlow(value);
  if (isMonitorEvent(value)) return readMonitorEvent(value);
  const protocol = readProtocol(value);
  const request = readRequest(optionalObject(value, 'l7', ''));
  return {
    from: readEnd(own(value, 'from'), 'from', clusterName),
    to: readEnd(own(value, 'to'), 'to', clusterName),
    protocol,
    port: readPort(value, protocol),
    ...directionOf(optionalText(value, 'direction', '')),
    ...verdictOf(optionalText(value, 'verdict', '')),
    ...(request === undefined ? {} : { request }),
  };
}

function readProtocol(value: JsonObject): number {
  const written = own(value, 'protocol') ?? 'TCP';
  const protocol = typeof written === 'number' ? parseProtocol(String(written)) : typeof written === 'string' ? parseProtocol(written) : undefined;
  if (protocol === undefined) throw new RecordError('protocol', `${JSON.stringify(written)} is no protocol`, 'write TCP, UDP, SCTP, ICMP, ICMPv6 or a number up to 255');
  return protocol;
}

function readPort(value: JsonObject, protocol: number): number {
  const meaning = positionMeaning(protocol);
  const key = meaning === 'icmp-type' && own(value, 'port') === undefined ? 'icmpType' : 'port';
  const port = optionalNumber(value, key, '');
  if (meaning === 'none') return 0;
  const last = meaning === 'port' ? 65_535 : 255;
  if (port === undefined) throw new RecordError(key, 'is missing', 'add the destination port, or the type of ICMP');
  if (port > last) throw new RecordError(key, `${port} is more than ${last}`, `write 0 to ${last}`);
  return port;
}

function readEnd(value: unknown, path: string, clusterName: string): FlowEnd {
  if (value === undefined) throw new RecordError(path, 'is missing', 'name the end by labels, identity or address');
  if (typeof value === 'number') return endOfIdentity(value, path);
  if (typeof value === 'string') return { labels: readLabels(value.split(','), path, { clusterName }) };
  if (Array.isArray(value)) return { labels: readLabels(value, path, { clusterName }) };
  if (!isObject(value)) throw new RecordError(path, 'is no end of a flow', 'write {"labels": …}, {"ip": …} or a list of labels');
  const identity = optionalNumber(value, 'identity', path);
  const address = optionalAddress(value, 'ip', path);
  const names = readNames(optionalList(value, 'names', path) ?? []);
  const labels = own(value, 'labels') === undefined ? undefined : readLabels(own(value, 'labels'), join(path, 'labels'), { namespace: optionalText(value, 'namespace', path), clusterName });
  if (labels === undefined && identity === undefined && address === undefined) {
    throw new RecordError(path, 'names neither labels, identity nor ip', 'add one of them');
  }
  return {
    ...(identity === undefined ? {} : endOfIdentity(identity, join(path, 'identity'))),
    ...(labels === undefined ? {} : { labels }),
    ...(address === undefined ? {} : { address }),
    ...(names.length === 0 ? {} : { names }),
  };
}

const RESERVED_IDENTITIES = { ipv4: true, ipv6: true };

function endOfIdentity(identity: number, path: string): FlowEnd {
  if (identity > 0xffff_ffff) throw new RecordError(path, `${identity} is no number of an identity`, 'write 0 to 4294967295');
  const labels: LabelSet | undefined = createReservedIdentities(RESERVED_IDENTITIES).get(identity)?.labels;
  return { identity, ...(labels === undefined ? {} : { labels }) };
}

function readRequest(l7: JsonObject | undefined): FlowRequest | undefined {
  if (l7 === undefined) return undefined;
  const http = optionalObject(l7, 'http', 'l7');
  if (http !== undefined) {
    const host = optionalText(http, 'host', 'l7.http');
    return { kind: 'http', method: optionalText(http, 'method', 'l7.http') ?? 'GET', path: optionalText(http, 'path', 'l7.http') ?? '/', ...(host === undefined ? {} : { host }) };
  }
  const dns = optionalObject(l7, 'dns', 'l7');
  if (dns !== undefined) {
    const name = optionalText(dns, 'name', 'l7.dns');
    if (name === undefined) throw new RecordError('l7.dns.name', 'is missing', 'write the name that was asked for');
    return { kind: 'dns', name };
  }
  const kafka = optionalObject(l7, 'kafka', 'l7');
  if (kafka === undefined) throw new RecordError('l7', 'names neither http, dns nor kafka', 'leave it out for other requests');
  const version = optionalNumber(kafka, 'apiVersion', 'l7.kafka');
  const texts = Object.fromEntries(['apiKey', 'clientId', 'topic'].map((key) => [key, optionalText(kafka, key, 'l7.kafka')]).filter(([, text]) => text !== undefined));
  return { kind: 'kafka', ...texts, ...(version === undefined ? {} : { apiVersion: version }) };
}
