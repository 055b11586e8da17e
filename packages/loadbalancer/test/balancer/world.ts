import type { IpAddress } from '@cilium-ts/core';
import { parseCidr, parseIp } from '@cilium-ts/core';
import fc from 'fast-check';
import type { EndpointSlice, FrontendKind, LoadBalancer, LocalRedirect, Pod, Protocol, Service } from '../../src/index.ts';
import { defineService } from '../../src/index.ts';

/** Everything that sources have said, so that a balancer can be told anew, in any order. */
export interface World {
  readonly services: Map<string, Service>;
  readonly slices: Map<string, EndpointSlice>;
  readonly pods: Map<string, Pod>;
  readonly redirects: Map<string, LocalRedirect>;
  readonly health: Map<string, { readonly address: IpAddress; readonly port: number; readonly state: 'active' | 'quarantined' }>;
  nodeAddresses: readonly IpAddress[];
}

export function emptyWorld(): World {
  return { services: new Map(), slices: new Map(), pods: new Map(), redirects: new Map(), health: new Map(), nodeAddresses: [] };
}

/** One thing that a source does. */
export type Action = (world: World, balancer: LoadBalancer) => void;

const ip = (text: string): IpAddress => parseIp(text)!;
const addresses4 = ['10.96.0.1', '10.96.0.2', '203.0.113.1', '203.0.113.2'].map(ip);
const addresses6 = ['fd00:96::1', '2001:db8::1'].map(ip);
const backends = ['10.0.1.1', '10.0.1.2', '10.0.1.3', '10.0.2.1', '10.0.2.2', 'fd00:1::1', 'fd00:1::2', 'fd00:2::1'].map(ip);
const nodes = ['node-1', 'node-2'];
const names = ['a', 'b', 'c', 'd'];

const protocol = fc.constantFrom<Protocol>('TCP', 'UDP');
const policy = fc.constantFrom<'Cluster' | 'Local'>('Cluster', 'Local');
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const frontend = fc
  .record({
    kind: fc.constantFrom<FrontendKind>('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalIP'),
    address: fc.constantFrom(...addresses4, ...addresses6),
    port: fc.constantFrom(80, 443),
    nodePort: fc.constantFrom(30080, 30443, 40000),
    protocol,
    portName: fc.constantFrom('http', 'dns'),
  })
  .map(({ nodePort, ...one }) => (one.kind === 'NodePort' ? { ...one, port: nodePort, address: ip(one.address.family === 4 ? '0.0.0.0' : '::') } : one));

const service = fc
  .record({
    name: fc.constantFrom(...names),
    frontends: fc.array(frontend, { maxLength: 4 }),
    affinityTimeout: fc.constantFrom(0, 0, 60),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    trafficDistribution: fc.constantFrom<'any' | 'zone' | 'node'>('any', 'zone', 'node'),
    sourceRanges: fc.constantFrom([], [parseCidr('192.0.2.0/24')!, parseCidr('2001:db8:1::/48')!]),
    sourceRangePolicy: fc.constantFrom<'allow' | 'deny'>('allow', 'deny'),
    algorithm: maybe(fc.constantFrom<'random' | 'maglev'>('random', 'maglev')),
    forwardingMode: maybe(fc.constantFrom<'snat' | 'dsr'>('snat', 'dsr')),
    exposure: maybe(fc.subarray<FrontendKind>(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalIP'])),
    wildcard: fc.boolean(),
    createdAt: maybe(fc.constantFrom(1, 2)),
  })
  .map(({ algorithm, forwardingMode, exposure, createdAt, ...rest }) =>
    defineService({
      ...rest,
      ...(algorithm === undefined ? {} : { algorithm }),
      ...(forwardingMode === undefined ? {} : { forwardingMode }),
      ...(exposure === undefined ? {} : { exposure }),
      ...(createdAt === undefined ? {} : { createdAt }),
    }),
  );

const endpoint = fc.record({
  addresses: fc.subarray(backends, { maxLength: 2 }),
  state: fc.constantFrom('active', 'active', 'active', 'terminating', 'draining', 'quarantined', 'maintenance' as const),
  nodeName: fc.constantFrom(...nodes),
  zone: fc.constantFrom('a', 'b'),
  zoneHints: fc.subarray(['a', 'b']),
  nodeHints: fc.subarray(nodes),
  weight: fc.constantFrom(1, 1, 1, 3, 0),
});

const slice = fc.record({
  namespace: fc.constant('default'),
  service: fc.constantFrom(...names),
  ports: fc.uniqueArray(fc.record({ name: fc.constantFrom('http', 'dns'), protocol, port: fc.constantFrom(8080, 5353) }), { maxLength: 3, selector: ({ name, protocol }) => name + protocol }),
  endpoints: fc.array(endpoint, { maxLength: 4 }),
}) as fc.Arbitrary<EndpointSlice>;

const pod = fc
  .record({ name: fc.constantFrom('p', 'q'), app: fc.constantFrom('web', 'dns'), address: fc.constantFrom('10.0.1.1', '10.0.1.2', 'fd00:1::1'), state: fc.constantFrom('active', 'terminating', 'maintenance' as const), hostPort: maybe(fc.constantFrom(30080, 9000)), nodeName: fc.constantFrom(...nodes) })
  .map(({ name, app, address, state, hostPort, nodeName }): Pod => {
    const port = { name: '', protocol: 'TCP' as const, port: 8080, ...(hostPort === undefined ? {} : { hostPort }) };
    return { namespace: 'default', name, labels: { app }, addresses: [ip(address)], state: state as Pod['state'], nodeName, ports: [port] };
  });

const redirect = fc
  .record({ name: fc.constantFrom('r', 's'), service: maybe(fc.constantFrom(...names)), address: fc.constantFrom(...addresses4), app: fc.constantFrom('web', 'dns') })
  .map(({ name, service, address, app }): LocalRedirect => {
    const ports = [{ name: '', protocol: 'TCP' as const, port: 80 }];
    const target = service === undefined ? { kind: 'address' as const, address, ports } : { kind: 'service' as const, service: `default/${service}`, ports: [] };
    return { namespace: 'default', name, frontend: target, selector: [{ key: 'app', operator: 'In', values: [app] }], ports: [{ ...ports[0]!, port: 8080 }] };
  });

const key = fc.constantFrom('1', '2', '3', '4', '5');

/** Any action of any source, on a small world in which everything meets everything. */
export const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(key, service).map(([key, value]): Action => (world, balancer) => (world.services.set(key, value), balancer.upsertService(key, value))) },
  { weight: 2, arbitrary: key.map((key): Action => (world, balancer) => (world.services.delete(key), balancer.removeService(key))) },
  { weight: 5, arbitrary: fc.tuple(key, slice).map(([key, value]): Action => (world, balancer) => (world.slices.set(key, value), balancer.setEndpoints(key, value))) },
  { weight: 2, arbitrary: key.map((key): Action => (world, balancer) => (world.slices.delete(key), balancer.removeEndpoints(key))) },
  { weight: 2, arbitrary: fc.tuple(key, pod).map(([key, value]): Action => (world, balancer) => (world.pods.set(key, value), balancer.setPod(key, value))) },
  { weight: 1, arbitrary: key.map((key): Action => (world, balancer) => (world.pods.delete(key), balancer.removePod(key))) },
  { weight: 2, arbitrary: fc.tuple(key, redirect).map(([key, value]): Action => (world, balancer) => (world.redirects.set(key, value), balancer.setRedirect(key, value))) },
  { weight: 1, arbitrary: key.map((key): Action => (world, balancer) => (world.redirects.delete(key), balancer.removeRedirect(key))) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...backends), fc.constantFrom(8080, 5353), fc.constantFrom('active', 'quarantined' as const)).map(([address, port, state]): Action => (world, balancer) => {
      const health = state as 'active' | 'quarantined';
      world.health.set(`${address.text}|${port}`, { address, port, state: health });
      balancer.setHealth({ address, port, protocol: 'TCP' }, health);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.subarray([...addresses4, ip('192.0.2.1')]).map((addresses): Action => (world, balancer) => {
      world.nodeAddresses = addresses;
      balancer.setNodeAddresses(addresses);
    }),
  },
);

/** Tells a balancer everything at once, each kind in reverse order. */
export function tell(world: World, balancer: LoadBalancer): void {
  for (const [key, value] of [...world.redirects].reverse()) balancer.setRedirect(key, value);
  for (const [key, value] of [...world.pods].reverse()) balancer.setPod(key, value);
  for (const [key, value] of [...world.slices].reverse()) balancer.setEndpoints(key, value);
  for (const [key, value] of [...world.services].reverse()) balancer.upsertService(key, value);
  for (const { address, port, state } of world.health.values()) balancer.setHealth({ address, port, protocol: 'TCP' }, state);
  balancer.setNodeAddresses(world.nodeAddresses);
}
