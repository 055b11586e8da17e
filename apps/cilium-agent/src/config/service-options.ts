import { parseCidr, parseIp } from '@cilium-ts/core';
import { z } from 'zod';
import { bool, duration, folder, MIB, whole, words } from './value.ts';

/** Sizes that a Maglev table may have: the largest primes below powers of two, as in Cilium. */
export const MAGLEV_TABLE_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521, 131_071] as const;

const prefixes = words.refine((list) => list.every((text) => parseCidr(text) !== undefined), 'prefixes separated by commas');

const portRange = z.string().transform((text, context) => {
  const [low = 0, high = 0] = (/^(\d{1,5})[,-](\d{1,5})$/.exec(text) ?? []).slice(1).map(Number);
  if (low >= 1 && high >= low && high <= 65_535) return { low, high };
  context.addIssue({ code: 'custom', message: 'two ports, the lower first: 30000,32767' });
  return z.NEVER;
});

const tableSize = whole(1, 131_071).refine((size) => (MAGLEV_TABLE_SIZES as readonly number[]).includes(size), `one of ${MAGLEV_TABLE_SIZES.join(', ')}`);
const hashSeed = z.string().refine((text) => /^[A-Za-z0-9+/]{16}$/.test(text), '12 bytes in base64');
const address = (family: 4 | 6) => z.string().refine((text) => parseIp(text)?.family === family, `an IPv${family} address`);

/** Settings of load balancing, with Cilium's keys where Cilium has them. Part of `settings`. */
export const serviceSettings = {
  mode: { schema: z.enum(['agent', 'lb-only']), default: 'agent', help: 'agent, or lb-only: a load balancer and nothing else, without endpoints and policy' },
  'service-dir': { schema: folder, help: 'watched folder of Kubernetes Service, EndpointSlice and Endpoints files' },
  'kube-proxy-replacement': { schema: bool, default: 'false', help: "services everywhere: at the node's sockets and for clients outside the node; otherwise for packets of endpoints only" },
  'bpf-lb-sock': { schema: bool, default: 'false', help: 'translate services at the socket (part of kube-proxy-replacement)' },
  'bpf-lb-sock-hostns-only': { schema: bool, default: 'false', help: "at the socket, only for the node's own processes" },
  'cgroup-root': { schema: folder, help: 'cgroup2 folder whose sockets are translated (the root of the cgroup2 hierarchy)' },
  'bpf-lb-algorithm': { schema: z.enum(['random', 'maglev']), default: 'random', help: 'how backends are chosen: random or maglev' },
  'bpf-lb-maglev-table-size': { schema: tableSize, default: '16381', help: 'size of Maglev tables' },
  'bpf-lb-maglev-hash-seed': { schema: hashSeed, default: 'JLfvgnHc2kaSUFaI', help: 'seed of Maglev tables, the same on every node (12 bytes in base64)' },
  'bpf-lb-mode': { schema: z.enum(['snat', 'dsr', 'hybrid']), default: 'snat', help: 'how packets from outside get to backends on other nodes: snat, dsr or hybrid (dsr for TCP)' },
  'bpf-lb-dsr-dispatch': { schema: z.enum(['opt', 'ipip']), default: 'opt', help: 'how packets in mode dsr travel: as they are, with an IP option, or within another packet (ipip)' },
  'bpf-lb-acceleration': { schema: z.enum(['disabled', 'generic', 'native', 'best-effort']), default: 'disabled', help: 'load balancing in XDP, before the stack: native, generic, or best-effort (native where the device has it)' },
  'bpf-lb-map-max': { schema: whole(16, 65_536), default: '65536', help: 'most frontends, twice those with a policy of their own for clients inside; the 65536th has no number' },
  'bpf-lb-backend-map-max': { schema: whole(16, 16 * MIB), default: '131072', help: 'places for backends, all services together; the first stays free' },
  'bpf-lb-source-range-all-types': { schema: bool, default: 'false', help: 'source ranges for every frontend, not only those of load balancers' },
  'node-port-range': { schema: portRange, default: '30000,32767', help: 'ports of NodePort services' },
  'nodeport-addresses': { schema: prefixes, help: "the node's addresses that have NodePorts, by prefixes (all)" },
  devices: { schema: words, help: 'devices towards the outside, names or beginnings as eth+ (those with a default route)' },
  'enable-session-affinity': { schema: bool, default: 'true', help: 'honour sessionAffinity of services' },
  'enable-service-topology': { schema: bool, default: 'false', help: 'honour topology hints' },
  'enable-health-check-nodeport': { schema: bool, default: 'true', help: 'serve healthCheckNodePort of services with externalTrafficPolicy Local' },
  'service-no-backend-response': { schema: z.enum(['reject', 'drop']), default: 'reject', help: 'to packets for a service without backends: reject (ICMP) or drop' },
  'ipv4-service-loopback-address': { schema: address(4), default: '169.254.42.1', help: 'source of packets from an endpoint to itself through a service' },
  'node-name': { schema: z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'a DNS name in lower case'), help: 'name of this node in EndpointSlices (host name)' },
  'node-zone': { schema: z.string().min(1), help: 'zone of this node, for topology hints' },
  'enable-bpf-masquerade': { schema: bool, default: 'false', help: 'masquerade in eBPF instead of nftables' },
  'enable-ip-masq-agent': { schema: bool, default: 'false', help: 'with enable-bpf-masquerade: leave out destinations that ip-masq-agent-config-path lists' },
  'ip-masq-agent-config-path': { schema: folder, default: '/etc/config/ip-masq-agent', help: 'file with nonMasqueradeCIDRs (YAML)' },
  'enable-xdp-prefilter': { schema: bool, default: 'false', help: 'drop packets from denied prefixes on the devices, before the stack' },
  'bpf-lb-health-interval': { schema: duration, default: '5s', help: 'between two probes of a backend, where a service asks for probing' },
  'bpf-lb-health-timeout': { schema: duration, default: '1s', help: 'until a probe counts as failed' },
} as const;
