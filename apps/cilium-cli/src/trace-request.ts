import type { TraceL7 } from '@cilium-ts/agent-api';
import { CliError } from './failure.ts';

/** A request over the traced connection, as the command line gives it. */
export interface RequestOptions {
  readonly http?: string;
  readonly httpHost?: string;
  readonly httpHeader: readonly string[];
  readonly dns?: string;
  readonly kafka?: string;
  readonly l7?: string;
}

/** The one request that the options name, or `undefined`. Throws {@link CliError} for what cannot be read. */
export function parseRequest(options: RequestOptions): TraceL7 | undefined {
  const { http, dns, kafka, l7 } = options;
  const given = [http, dns, kafka, l7].filter((one) => one !== undefined);
  if (given.length > 1) throw new CliError('policy trace: a connection carries one protocol: give one of --http, --dns, --kafka and --l7', { exitCode: 2 });
  if (http !== undefined) return { http: httpRequest(http, options) };
  if (options.httpHost !== undefined || options.httpHeader.length > 0) throw new CliError('policy trace: --http-host and --http-header need --http "METHOD PATH"', { exitCode: 2 });
  if (dns !== undefined) return { dns: { name: dns } };
  if (kafka !== undefined) return { kafka: kafkaRequest(kafka) };
  return l7 === undefined ? undefined : { generic: genericRequest(l7) };
}

function httpRequest(text: string, { httpHost, httpHeader }: RequestOptions): Extract<TraceL7, { http: unknown }>['http'] {
  const [, method, path] = /^(\S+)\s+(\/\S*)$/.exec(text.trim()) ?? [];
  if (method === undefined || path === undefined) throw new CliError(`--http: "${text}" is not METHOD PATH, such as "GET /index.html"`, { exitCode: 2 });
  const headers = httpHeader.map((header): [string, string] => {
    const colon = header.indexOf(':');
    if (colon <= 0) throw new CliError(`--http-header: "${header}" is not NAME: VALUE`, { exitCode: 2 });
    return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()];
  });
  return { method, path, ...(httpHost === undefined ? {} : { host: httpHost }), ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }) };
}

/** API keys that people know by name (Kafka protocol guide). */
const KAFKA_KEYS: Readonly<Record<string, number>> = { produce: 0, fetch: 1, offsets: 2, metadata: 3, offsetcommit: 8, offsetfetch: 9, findcoordinator: 10, joingroup: 11, heartbeat: 12, leavegroup: 13, syncgroup: 14, apiversions: 18, createtopics: 19, deletetopics: 20 };

function kafkaRequest(text: string): Extract<TraceL7, { kafka: unknown }>['kafka'] {
  const [key = '', ...topics] = text.split(/[:,]/);
  const number = /^\d+$/.test(key) ? Number(key) : Object.hasOwn(KAFKA_KEYS, key.toLowerCase()) ? KAFKA_KEYS[key.toLowerCase()] : undefined;
  if (number === undefined) throw new CliError(`--kafka: "${text}" is not KEY[:TOPIC,…]; keys are numbers or ${Object.keys(KAFKA_KEYS).join(', ')}`, { exitCode: 2 });
  return { 'api-key': number, ...(topics.length === 0 ? {} : { topics }) };
}

function genericRequest(text: string): Extract<TraceL7, { generic: unknown }>['generic'] {
  const [, parser, list = ''] = /^([\w.-]+)(?::(.*))?$/.exec(text) ?? [];
  const fields = list.split(',').filter((field) => field !== '').map((field) => field.split('='));
  if (parser === undefined || fields.some(({ length }) => length !== 2)) throw new CliError(`--l7: "${text}" is not PARSER[:KEY=VALUE,…]`, { exitCode: 2 });
  return { parser, fields: Object.fromEntries(fields) };
}
