import type { TracePeer } from '@cilium-ts/agent-api';
import { CliError } from './failure.ts';

/** How one end of a traced connection is given on the command line. */
export interface PeerOptions {
  readonly labels: readonly string[];
  readonly endpoint?: string | undefined;
  readonly identity?: string | undefined;
  readonly ip?: string | undefined;
  readonly service?: string | undefined;
  readonly name?: string | undefined;
}

/** The one way in which the user named this end. */
export function parsePeer(side: 'src' | 'dst', { labels, endpoint, identity, ip, service, name }: PeerOptions): TracePeer {
  const given: TracePeer[] = [];
  if (labels.length > 0) given.push({ labels: labels.flatMap((text) => text.split(',')).filter((label) => label.trim() !== '').map((label) => checkedLabel(side, label.trim())) });
  if (endpoint !== undefined) given.push({ endpoint: /^\d+$/.test(endpoint) ? Number(endpoint) : endpoint });
  if (identity !== undefined) given.push({ identity: identityNumber(side, identity) });
  if (ip !== undefined) given.push({ ip });
  if (service !== undefined) given.push({ service });
  if (name !== undefined) given.push({ name });
  const [peer] = given;
  if (peer === undefined || given.length > 1) {
    throw new CliError(`policy trace: name the ${side === 'src' ? 'source' : 'destination'} by one of --${side}, --${side}-endpoint, --${side}-identity, --${side}-ip, --${side}-service and --${side}-name`, { exitCode: 2 });
  }
  return peer;
}

/** Where Cilium's labels come from. */
const SOURCES = ['k8s', 'reserved', 'container', 'cni', 'cidr', 'cidrgroup', 'fqdn', 'node', 'directory', 'unspec', 'any'];

/** Nobody has a label that is misspelt so: the answer would be about somebody else than was meant. */
function checkedLabel(side: 'src' | 'dst', label: string): string {
  const [, source, rest = label] = /^([^:=]*):(.*)$/s.exec(label) ?? [];
  if (source !== undefined && !SOURCES.includes(source)) {
    throw new CliError(`--${side}: "${source}" is no source of labels, in "${label}" (write ${source}=${rest}, or one of the sources ${SOURCES.join(', ')})`, { exitCode: 2 });
  }
  if (!/^[^\s=]+(?:=\S*)?$/.test(rest)) throw new CliError(`--${side}: "${label}" is not a label (write KEY=VALUE, without spaces, separated by commas)`, { exitCode: 2 });
  return label;
}

function identityNumber(side: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new CliError(`--${side}-identity: "${text}" is not a number`, { exitCode: 2 });
  return Number(text);
}

/** What `--dport` asks for: a port of a transport protocol, or a type of ICMP. */
export interface TracedPort {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'ICMPv6';
  readonly port?: number;
  /** Instead of a number: what the destination's containers call it. */
  readonly portName?: string;
  readonly icmpType?: number;
}

const protocols = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP', icmp: 'ICMP', icmpv6: 'ICMPv6' } as const;

/** `80`, `80/tcp`, `53/udp`, `http/tcp` (the name of a port), `8/icmp`, `128/icmpv6`. */
export function parsePort(text: string): TracedPort {
  const [number = '', protocolText = 'tcp', ...rest] = text.split('/');
  const protocol = protocols[protocolText.toLowerCase() as keyof typeof protocols];
  const value = Number(number);
  const isIcmp = protocol === 'ICMP' || protocol === 'ICMPv6';
  if (protocol !== undefined && !isIcmp && rest.length === 0 && /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/i.test(number)) return { protocol, portName: number };
  if (protocol === undefined || rest.length > 0 || !/^\d+$/.test(number) || value > (isIcmp ? 255 : 65_535)) {
    throw new CliError(`--dport: "${text}" is not PORT/PROTOCOL (80/tcp, 53/udp, http/tcp by its name) or TYPE/icmp (8/icmp, 128/icmpv6)`, { exitCode: 2 });
  }
  return isIcmp ? { protocol, icmpType: value } : { protocol, port: value };
}
