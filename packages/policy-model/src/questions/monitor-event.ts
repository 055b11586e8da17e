import { parseProtocol, positionMeaning } from '../model/protocol.ts';
import type { FlowEnd, FlowRecord } from './flow-record.ts';
import { directionOf, verdictOf } from './flow-words.ts';
import { readLabelList } from './hubble-flow.ts';
import type { JsonObject } from './record-value.ts';
import { RecordError, optionalAddress, optionalList, optionalNumber, optionalObject, optionalText, own } from './record-value.ts';

const TYPES = new Set<unknown>(['start', 'lost', 'agent', 'drop', 'trace', 'policy-verdict']);

/** Whether the object is a line of `cilium monitor -o json`. */
export function isMonitorEvent(value: JsonObject): boolean {
  return TYPES.has(own(value, 'type')) && own(value, 'timestamp') !== undefined;
}

/** The flow that a verdict of policy is about; `undefined` for every other event. */
export function readMonitorEvent(event: JsonObject): Omit<FlowRecord, 'at'> | undefined {
  if (own(event, 'type') !== 'policy-verdict') return undefined;
  const text = optionalText(event, 'protocol', '') ?? '';
  const protocol = parseProtocol(text);
  if (protocol === undefined) throw new RecordError('protocol', `${JSON.stringify(text)} is no protocol`, 'record the events anew');
  const meaning = positionMeaning(protocol);
  const destination = optionalObject(event, 'destination', '');
  const port = meaning === 'icmp-type' ? optionalNumber(event, 'icmp-type', '') : destination === undefined ? undefined : optionalNumber(destination, 'port', 'destination');
  if (meaning !== 'none' && (port === undefined || port > 65_535)) throw new RecordError('destination.port', 'is missing', 'record the events anew');
  return {
    from: readEnd(optionalObject(event, 'source', ''), 'source'),
    to: readEnd(destination, 'destination'),
    protocol,
    port: meaning === 'none' ? 0 : port!,
    ...directionOf(optionalText(event, 'direction', '')),
    ...verdictOf(optionalText(event, 'action', '')),
  };
}

function readEnd(end: JsonObject | undefined, path: string): FlowEnd {
  if (end === undefined) throw new RecordError(path, 'is missing', 'record the events anew');
  const identity = optionalNumber(end, 'identity', path);
  const address = optionalAddress(end, 'ip', path);
  const labels = readLabelList(optionalList(end, 'labels', path), `${path}.labels`);
  return {
    ...(identity === undefined ? {} : { identity }),
    ...(labels === undefined ? {} : { labels }),
    ...(address === undefined ? {} : { address }),
  };
}
