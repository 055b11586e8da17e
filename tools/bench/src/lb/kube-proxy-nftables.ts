import type { BenchService } from './service-set.ts';

/** Services in one transaction: the kernel takes more than linear time for chains that come all at once. */
const CHUNK = 1000;

/**
 * The rules that kube-proxy writes in its nftables mode, for `nft -f`, as transactions to be made one after the other: one look-up
 * of address, protocol and port in a verdict map leads to the service's chain, in which another leads by chance to an
 * endpoint's.
 */
export function nftablesRules(services: readonly BenchService[], clusterCidr: string): string[] {
  const transactions = [BASE];
  for (let first = 0; first < services.length; first += CHUNK) transactions.push(chunk(services.slice(first, first + CHUNK), first, clusterCidr));
  return [...transactions, HOOKS].map((body) => `table ip kube-proxy {\n${body}\n}\n`);
}

function chunk(services: readonly BenchService[], first: number, clusterCidr: string): string {
  const elements = services.map(({ name, address, port }, i) => `${address} . tcp . ${port} comment "bench/${name}" : goto service-${first + i}`);
  return `${services.flatMap((service, i) => chainsOf(service, first + i, clusterCidr)).join('\n')}
  set cluster-ips { type ipv4_addr; elements = { ${services.map(({ address }) => address).join(', ')} }; }
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { ${elements.join(', ')} }; }`;
}

function chainsOf({ address, port, backends }: BenchService, number: number, clusterCidr: string): string[] {
  const choices = backends.map((_, k) => `${k} : goto endpoint-${number}-${k}`).join(', ');
  const ends = backends.map((backend, k) => `  chain endpoint-${number}-${k} {
    ip saddr ${backend.address} jump mark-for-masquerade
    meta l4proto tcp dnat to ${backend.address}:${backend.port}
  }`);
  return [...ends, `  chain service-${number} {
    ip daddr ${address} tcp dport ${port} ip saddr != ${clusterCidr} jump mark-for-masquerade
    numgen random mod ${backends.length} vmap { ${choices} }
  }`];
}

const BASE = `  set cluster-ips { type ipv4_addr; }
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  set nodeport-ips { type ipv4_addr; }
  map service-nodeports { type inet_proto . inet_service : verdict; }
  map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
  map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
  chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
  chain masquerading {
    meta mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }`;

const HOOKS = `  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }
  chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
  chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
  chain nodeport-endpoints-check { ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }
  chain cluster-ips-check { ip daddr @cluster-ips reject; }
  chain filter-prerouting { type filter hook prerouting priority -110; ct state new jump firewall-check; }
  chain filter-input { type filter hook input priority -110; ct state new jump nodeport-endpoints-check; ct state new jump service-endpoints-check; }
  chain filter-forward { type filter hook forward priority -110; ct state new jump service-endpoints-check; ct state new jump cluster-ips-check; }
  chain filter-output { type filter hook output priority -110; ct state new jump service-endpoints-check; ct state new jump firewall-check; }
  chain filter-output-post-dnat { type filter hook output priority -90; ct state new jump cluster-ips-check; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }`;
