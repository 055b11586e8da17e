import type { L7Request } from '../../l7/request.ts';
import type { FlowRequest } from '../flow-record.ts';

/** Names of Kafka's API keys that records write instead of numbers (Kafka protocol guide). */
const KAFKA_KEYS: readonly string[] = [
  'produce', 'fetch', 'offsets', 'metadata', 'leaderandisr', 'stopreplica', 'updatemetadata', 'controlledshutdown', 'offsetcommit', 'offsetfetch', 'findcoordinator', 'joingroup',
  'heartbeat', 'leavegroup', 'syncgroup', 'describegroups', 'listgroups', 'saslhandshake', 'apiversions', 'createtopics', 'deletetopics',
];
const OTHER_NAMES: Readonly<Record<string, string>> = { listoffsets: 'offsets' };

/** A recorded request as explanations take it; `undefined` where the record does not say enough. */
export function requestOfFlow(request: FlowRequest | undefined): L7Request | undefined {
  if (request === undefined) return undefined;
  if (request.kind === 'dns') return { dns: { name: request.name } };
  if (request.kind === 'http') {
    const { method, path, host, headers = [] } = request;
    return { http: { method, path, ...(host === undefined ? {} : { host }), headers: Object.fromEntries(headers.map(({ name, value }) => [name, value])) } };
  }
  const { apiKey = '', apiVersion, clientId, topic } = request;
  const name = apiKey.toLowerCase().replace(/[^a-z]/g, '');
  const number = /^\d+$/.test(apiKey) ? Number(apiKey) : KAFKA_KEYS.indexOf(OTHER_NAMES[name] ?? name);
  if (number < 0) return undefined;
  return { kafka: { apiKey: number, ...(apiVersion === undefined ? {} : { apiVersion }), ...(clientId === undefined ? {} : { clientId }), ...(topic === undefined || topic === '' ? {} : { topics: [topic] }) } };
}
