import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { mapSizes } from '../../src/config/map-sizes.ts';
import { serviceConfig } from '../../src/service/service-config.ts';
import { cgroupMount } from '../../src/traffic/cgroup-root.ts';

const load = (...flags: [string, string][]) => loadConfig({ flags, environment: {} });

describe('settings of services', () => {
  it("have Cilium's defaults", () => {
    expect(load().values).toMatchObject({
      mode: 'agent', 'kube-proxy-replacement': false, 'bpf-lb-algorithm': 'random', 'bpf-lb-maglev-table-size': 16_381, 'bpf-lb-mode': 'snat', 'bpf-lb-acceleration': 'disabled',
      'node-port-range': { low: 30_000, high: 32_767 }, 'enable-bpf-masquerade': false, 'bpf-lb-map-max': 65_536,
    });
  });

  it.each<[string, string, unknown]>([
    ['node-port-range', '20000,30000', { low: 20_000, high: 30_000 }], ['node-port-range', '20000-30000', { low: 20_000, high: 30_000 }], ['bpf-lb-maglev-table-size', '251', 251],
    ['nodeport-addresses', '192.0.2.0/24,fd00::/8', ['192.0.2.0/24', 'fd00::/8']], ['devices', 'eth+,bond0', ['eth+', 'bond0']], ['bpf-lb-health-interval', '500ms', 0.5],
  ])('%s takes %s', (key, text, value) => { expect(load([key, text]).values).toMatchObject({ [key]: value }); });

  it.each<[string, string, RegExp]>([
    ['node-port-range', '30000', /two ports, the lower first/], ['node-port-range', '2,1', /two ports/], ['node-port-range', '0,70000', /two ports/], ['bpf-lb-maglev-table-size', '16000', /one of 251, 509/],
    ['bpf-lb-maglev-hash-seed', 'short', /12 bytes in base64/], ['bpf-lb-mode', 'tunnel', /bpf-lb-mode/], ['nodeport-addresses', 'eth0', /prefixes/], ['mode', 'proxy', /mode is "proxy"/],
    ['ipv4-service-loopback-address', 'fe80::1', /an IPv4 address/], ['bpf-lb-health-interval', '10ms', /100ms or more/], ['enable-ip-masq-agent', 'true', /needs enable-bpf-masquerade/],
    ['bpf-lb-map-max', '65537', /a number from 16 to 65536/], ['bpf-lb-map-max', '15', /a number from 16 to 65536/], ['bpf-lb-backend-map-max', '16777217', /a number from 16 to 16777216/],
  ])('%s refuses %s', (key, text, message) => { expect(() => load([key, text])).toThrow(message); });

  it('of sizes go from the least to the most', () => {
    expect(load(['bpf-lb-map-max', '65536'], ['bpf-lb-backend-map-max', '16777216']).values).toMatchObject({ 'bpf-lb-map-max': 65_536, 'bpf-lb-backend-map-max': 16_777_216 });
    expect(mapSizes(load(['bpf-lb-backend-map-max', '16']).values)).toMatchObject({ cilium_frontends: 131_072, cilium_backends: 16, cilium_pool_members: 16, cilium_service_runs: 1_048_576 });
    expect(mapSizes(load(['bpf-lb-backend-map-max', '2000000']).values)).toMatchObject({ cilium_backends: 2_000_000, cilium_pool_members: 2_000_000, cilium_service_runs: 2_000_000 });
  });

  it('warn of what a load balancer alone ignores', () => {
    expect(load(['mode', 'lb-only'], ['policy-dir', '/p']).warnings).toEqual([expect.stringMatching(/policy-dir \(flag --policy-dir\) means nothing/)]);
  });

  it('become the configuration of the programs', () => {
    expect(serviceConfig(load(['service-no-backend-response', 'drop']).values)).toEqual({ serviceSeed: 0x71dc_da46, serviceLoopback: 2_852_006_401, serviceReject: 0, xdpServices: 0, dsrIpip: 0, sockHostnsOnly: 0, sourceRangeAllTypes: 0 });
  });
});

describe('cgroupMount', () => {
  it.each([
    ['cgroup2 /sys/fs/cgroup cgroup2 rw 0 0', '/sys/fs/cgroup'],
    ['cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0', '/sys/fs/cgroup/unified'],
    ['tmpfs / tmpfs rw 0 0', undefined],
  ])('%s', (mounts, expected) => { expect(cgroupMount(mounts)).toBe(expected); });
});
