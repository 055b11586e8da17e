import { describe, expect, it } from 'vitest';
import { iptablesRules } from '../../src/lb/kube-proxy-iptables.ts';
import { nftablesRules } from '../../src/lb/kube-proxy-nftables.ts';
import { serviceSet } from '../../src/lb/service-set.ts';

const { services, used } = serviceSet({ count: 5, prefix: '172.16', backend: '198.19.0.2', backendPort: 8080 });

describe('the services that are measured', () => {
  it('are all different, and the one that is used is in the middle', () => {
    expect(new Set(services.map(({ address }) => address)).size).toBe(5);
    expect(new Set(services.flatMap(({ backends }) => backends.map(({ address }) => address))).size).toBe(13);
    expect(used).toEqual({ name: 'service-2', address: '172.16.0.3', port: 80, backends: [{ address: '198.19.0.2', port: 8080 }] });
    expect(services[2]).toBe(used);
  });

  it('have addresses and backends of their own up to ten thousand', () => {
    const many = serviceSet({ count: 10_000, prefix: '172.16', backend: '198.19.0.2', backendPort: 8080, otherBackends: 10 });
    expect(new Set(many.services.map(({ address }) => address)).size).toBe(10_000);
    expect(new Set(many.services.flatMap(({ backends }) => backends.map(({ address }) => address))).size).toBe(99_991);
  });
});

describe("kube-proxy's rules for iptables", () => {
  const lines = iptablesRules(services, '198.18.0.0/15').split('\n');

  it('have one rule a service in the chain that all new connections walk, in order', () => {
    const list = lines.filter((line) => line.startsWith('-A KUBE-SERVICES '));
    expect(list).toHaveLength(6);
    expect(list[2]).toBe('-A KUBE-SERVICES -d 172.16.0.3/32 -p tcp -m comment --comment "bench/service-2 cluster IP" -m tcp --dport 80 -j KUBE-SVC-000002');
    expect(list[5]).toContain('KUBE-NODEPORTS');
  });

  it('choose by chance, each backend as likely as any other', () => {
    const chances = lines.filter((line) => /^-A KUBE-SVC-000000 .*-j KUBE-SEP/.test(line)).map((line) => /--probability ([\d.]+)/.exec(line)?.[1]);
    expect(chances).toEqual(['0.33333333333', '0.50000000000', undefined]);
    expect(lines).toContain('-A KUBE-SEP-000002-0 -p tcp -m comment --comment "bench/service-2" -m tcp -j DNAT --to-destination 198.19.0.2:8080');
  });
});

describe("kube-proxy's rules for nftables", () => {
  it('lead through one map, made in transactions of a thousand services', () => {
    const transactions = nftablesRules(services, '198.18.0.0/15');
    expect(transactions).toHaveLength(3);
    expect(transactions[1]).toContain('172.16.0.3 . tcp . 80 comment "bench/service-2" : goto service-2');
    expect(transactions[1]).toContain('numgen random mod 3 vmap { 0 : goto endpoint-0-0, 1 : goto endpoint-0-1, 2 : goto endpoint-0-2 }');
    expect(transactions[2]).toContain('type nat hook prerouting priority dstnat; jump services;');
    expect(nftablesRules(serviceSet({ count: 2001, prefix: '172.16', backend: '198.19.0.2', backendPort: 1 }).services, '198.18.0.0/15')).toHaveLength(5);
  });
});
