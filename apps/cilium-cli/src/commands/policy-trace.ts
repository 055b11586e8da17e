import type { TraceRequest } from '@cilium-ts/agent-api';
import type { Command } from 'commander';
import { contextOf, withAgent } from '../context.ts';
import type { Io } from '../io.ts';
import { traceFiles } from '../offline-trace.ts';
import { printValue } from '../output/print.ts';
import { parsePeer, parsePort } from '../peer.ts';
import { parseRequest, type RequestOptions } from '../trace-request.ts';

interface TraceOptions extends RequestOptions {
  readonly src: string[];
  readonly srcEndpoint?: string;
  readonly srcIdentity?: string;
  readonly srcIp?: string;
  readonly srcService?: string;
  readonly srcName?: string;
  readonly dst: string[];
  readonly dstEndpoint?: string;
  readonly dstIdentity?: string;
  readonly dstIp?: string;
  readonly dstService?: string;
  readonly dstName?: string;
  readonly dport: string;
  readonly file: string[];
  readonly enablePolicy: string;
  readonly allowLocalhost?: boolean;
  readonly clusterName: string;
  readonly identities?: string;
  readonly services?: string;
  readonly unenforced?: boolean;
  readonly serverName?: string;
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** `cilium policy trace`: asks the agent, or the given files with no agent and no root. Exit 0 for allowed, 1 for denied. */
export function addPolicyTrace(policy: Command, io: Io): void {
  const trace = policy
    .command('trace')
    .description('may one end open a connection to the other, and which rule of which file says so; exit 0 for allowed, 1 for denied')
    .requiredOption('--dport <port/protocol>', '80/tcp, 53/udp, http/tcp (the name of a port), 8/icmp (a type)', '0/tcp');
  for (const [side, what] of [['src', 'source'], ['dst', 'destination']]) {
    trace
      .option(`--${side} <labels>`, `the ${what} by its labels (app=web,io.kubernetes.pod.namespace=shop or reserved:host); may be repeated`, collect, [])
      .option(`--${side}-endpoint <endpoint>`, `the ${what} as an endpoint of the agent`)
      .option(`--${side}-identity <number>`, `the ${what} as an identity`)
      .option(`--${side}-ip <address>`, `the ${what} by its address`)
      .option(`--${side}-service <namespace/name>`, `the ${what} as everybody behind a service`)
      .option(`--${side}-name <name>`, `the ${what} as whatever a DNS name leads to`);
  }
  trace
    .option('--http <request>', 'an HTTP request over the connection: "GET /path"')
    .option('--http-host <host>', 'its host')
    .option('--http-header <header>', 'a header of it, NAME: VALUE; may be repeated', collect, [])
    .option('--dns <name>', 'a DNS query over the connection')
    .option('--kafka <request>', 'a Kafka request over the connection: KEY[:TOPIC,…], such as produce:orders')
    .option('--l7 <request>', 'a request of another parser: PARSER[:KEY=VALUE,…]')
    .option('--server-name <name>', 'the name that the TLS handshake asks for')
    .option('-f, --file <path>', 'a policy file or folder to ask instead of the agent; may be repeated', collect, [])
    .option('--enable-policy <mode>', 'with --file: default, always or never', 'default')
    .option('--allow-localhost', 'with --file: the node may always reach its endpoints')
    .option('--cluster-name <name>', 'with --file: name of the cluster that the endpoints are in', 'default')
    .option('--identities <file>', 'with --file: identities, endpoints or pods, with their addresses and named ports')
    .option('--services <file>', 'with --file: Kubernetes Services (and the EndpointSlices of those without a selector)')
    .option('--unenforced', 'with --file: ask also policies that this version cannot enforce (layer 7, DNS names, …), as if it could')
    .action(async (options: TraceOptions, command: Command) => {
      const context = contextOf(io, command);
      const request = requestOf(options);
      const { allowLocalhost = false, ...settings } = options;
      const result = options.file.length > 0 ? traceFiles(io, request, { ...settings, allowLocalhost }) : await withAgent(context, (agent) => agent.tracePolicy(request));
      printValue(io, context.format, result, () => [result.text]);
      if (result.verdict === 'denied') io.exit(1);
    });
}

function requestOf(options: TraceOptions): TraceRequest {
  const { protocol, port, portName, icmpType } = parsePort(options.dport);
  const l7 = parseRequest(options);
  return {
    from: parsePeer('src', { labels: options.src, endpoint: options.srcEndpoint, identity: options.srcIdentity, ip: options.srcIp, service: options.srcService, name: options.srcName }),
    to: parsePeer('dst', { labels: options.dst, endpoint: options.dstEndpoint, identity: options.dstIdentity, ip: options.dstIp, service: options.dstService, name: options.dstName }),
    protocol,
    ...(port === undefined ? {} : { port }),
    ...(portName === undefined ? {} : { 'port-name': portName }),
    ...(l7 === undefined ? {} : { l7 }),
    ...(options.serverName === undefined ? {} : { 'server-name': options.serverName }),
    ...(icmpType === undefined ? {} : { 'icmp-type': icmpType }),
  };
}
