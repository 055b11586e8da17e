import type { BenchService } from './service-set.ts';

/** The bit by which kube-proxy marks what is to be masqueraded. */
const MARK = '0x4000/0x4000';

/**
 * The rules that kube-proxy writes in its iptables mode, for iptables-restore: one rule for each service in a chain that
 * every new connection walks, a chain for each service whose rules choose by chance, a chain for each endpoint.
 */
export function iptablesRules(services: readonly BenchService[], clusterCidr: string): string {
  const chains: string[] = [];
  const list: string[] = [];
  const rules: string[] = [];
  for (const [i, { name, address, port, backends }] of services.entries()) {
    const chain = `KUBE-SVC-${label(i)}`;
    chains.push(`:${chain} - [0:0]`);
    list.push(`-A KUBE-SERVICES -d ${address}/32 -p tcp -m comment --comment "bench/${name} cluster IP" -m tcp --dport ${port} -j ${chain}`);
    rules.push(`-A ${chain} ! -s ${clusterCidr} -d ${address}/32 -p tcp -m comment --comment "bench/${name} cluster IP" -m tcp --dport ${port} -j KUBE-MARK-MASQ`);
    for (const [k, backend] of backends.entries()) {
      const end = `KUBE-SEP-${label(i)}-${k}`;
      const left = backends.length - k;
      const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`;
      chains.push(`:${end} - [0:0]`);
      rules.push(
        `-A ${chain} -m comment --comment "bench/${name} -> ${backend.address}:${backend.port}"${chance} -j ${end}`,
        `-A ${end} -s ${backend.address}/32 -m comment --comment "bench/${name}" -j KUBE-MARK-MASQ`,
        `-A ${end} -p tcp -m comment --comment "bench/${name}" -m tcp -j DNAT --to-destination ${backend.address}:${backend.port}`,
      );
    }
  }
  return [...NAT_HEAD, ...chains, ...NAT_RULES, ...list, NODE_PORTS, ...rules, 'COMMIT', ...FILTER, ''].join('\n');
}

const label = (index: number): string => String(index).padStart(6, '0');

const NAT_HEAD = ['*nat', ':KUBE-SERVICES - [0:0]', ':KUBE-NODEPORTS - [0:0]', ':KUBE-POSTROUTING - [0:0]', ':KUBE-MARK-MASQ - [0:0]'];

const NAT_RULES = [
  '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
  '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
  '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
  `-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000`,
  `-A KUBE-POSTROUTING -m mark ! --mark ${MARK} -j RETURN`,
  '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
  '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
];

/** The last of the list: asked of what is no service. */
const NODE_PORTS = '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS';

const NEW = '-m conntrack --ctstate NEW';
const FILTER = [
  '*filter',
  ...['KUBE-EXTERNAL-SERVICES', 'KUBE-FIREWALL', 'KUBE-FORWARD', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES'].map((chain) => `:${chain} - [0:0]`),
  `-A INPUT ${NEW} -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
  '-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS',
  `-A INPUT ${NEW} -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES`,
  '-A INPUT -j KUBE-FIREWALL',
  `-A FORWARD ${NEW} -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
  '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
  `-A FORWARD ${NEW} -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
  `-A FORWARD ${NEW} -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES`,
  '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
  `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${MARK} -j ACCEPT`,
  '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  'COMMIT',
];
