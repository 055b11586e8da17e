import fc from 'fast-check';
import type { Features } from './features.ts';
import { ICMP_TYPES, NAMES, PORTS, PORT_NAMES, few, object, some, when } from './pools.ts';

type Spec = Record<string, unknown>;

function port(features: Features): fc.Arbitrary<Spec> {
  const numbers = PORTS.map(String);
  return fc.oneof<fc.Arbitrary<Spec>[]>(
    object({ port: fc.constantFrom(...numbers), protocol: fc.constantFrom('TCP', 'UDP', 'SCTP', 'ANY', '') }).map((spec) => ({ port: '80', ...spec })),
    fc.record({ port: fc.constantFrom('1', '80', '100'), endPort: fc.constantFrom(100, 443, 65535), protocol: fc.constantFrom('TCP', 'UDP', 'ANY') }, { noNullPrototype: true }),
    fc.record({ port: fc.constantFrom('0', ''), protocol: fc.constantFrom('VRRP', 'IGMP') }, { noNullPrototype: true }),
    ...when(features.namedPorts, fc.record<Spec>({ port: fc.constantFrom(...PORT_NAMES, 'HTTP'), protocol: fc.constantFrom('TCP', 'UDP', 'ANY') }, { noNullPrototype: true })),
  );
}

const header = fc.constantFrom('X-Token', 'X-Token: abc', 'x-token: xyz');
const headerMatch = fc.oneof(
  fc.constantFrom<Spec>({ name: 'X-Token', value: 'abc' }, { name: 'X-Other', value: 'q' }, { name: 'X-Token', value: 'abc', mismatch: 'LOG' }, { name: 'X-Other', value: 'q', mismatch: 'ADD' }),
);
const http = object({
  method: fc.constantFrom('GET', 'GET|HEAD', 'P.*'),
  path: fc.constantFrom('/', '/public/.*', '/v[0-9]+/items?', '/.*'),
  host: fc.constantFrom('shop[.]example', '.*[.]example', 'bank'),
  headers: fc.array(header, few),
  headerMatches: fc.array(headerMatch, few),
});
const kafka = fc.tuple(
  fc.constantFrom<Spec>({}, { role: 'produce' }, { role: 'consume' }, { apiKey: 'produce' }, { apiKey: 'fetch' }, { apiKey: 'Heartbeat' }),
  object({ topic: fc.constantFrom('orders', 'logs'), clientID: fc.constantFrom('c1', 'c2'), apiVersion: fc.constantFrom('0', '3') }),
).map(([keys, more]): Spec => ({ ...keys, ...more }));
export const fqdnSelector: fc.Arbitrary<Spec> = fc.oneof(
  fc.constantFrom(...NAMES, 'API.Example.com', 'example.org.').map((matchName) => ({ matchName })),
  fc.constantFrom('*', '*.example.com', '**.example.com', 'api.*', 'w*.example.com', '*.example.*', '*.com', '**.com.').map((matchPattern) => ({ matchPattern })),
);
const generic = object({ command: fc.constantFrom('get', 'set'), key: fc.constantFrom('a', 'b') });
const serverNames = fc.uniqueArray(fc.constantFrom('a.example.com', 'b.example.com', '*.example.com'), some);
const TLS = { secret: { namespace: 'shop', name: 'tls' } };

/**
 * A member of `toPorts` that needs a proxy. Which parser a port has is fixed, so that two parsers meet on one port by
 * way of ranges and names only: of the same selector and port they would be an error.
 */
function proxied(to: boolean): fc.Arbitrary<Spec> {
  const of = (ports: Spec[], more: fc.Arbitrary<Spec>): fc.Arbitrary<Spec> => fc.tuple(fc.constantFrom(...ports), more).map(([one, rest]) => ({ ports: [{ protocol: 'TCP', ...one }], ...rest }));
  const rules = (name: string, one: fc.Arbitrary<Spec>, besides: Spec = {}): fc.Arbitrary<Spec> => fc.array(one, some).map((list) => ({ rules: { ...besides, [name]: list } }));
  return fc.oneof<fc.Arbitrary<Spec>[]>(
    of([{ port: '80' }, { port: '8080' }, { port: 'http' }], rules('http', http)),
    of([{ port: '9092' }, { port: '79', endPort: 81 }], rules('kafka', kafka)),
    of([{ port: '6379' }], rules('l7', generic, { l7proto: 'redis' })),
    of([{ port: '6000', endPort: 7000 }], rules('l7', generic, { l7proto: 'memcache' })),
    of([{ port: '443' }, { port: '80', endPort: 443 }], serverNames.map((names) => ({ serverNames: names }))),
    of([{ port: '443' }], fc.tuple(rules('http', http), serverNames).map(([some, names]) => ({ ...some, serverNames: names, terminatingTLS: TLS }))),
    ...when(
      to,
      of([{ port: '53', protocol: 'UDP' }, { port: '53', protocol: 'ANY' }, { port: '53' }], rules('dns', fqdnSelector)),
      of([{ port: '8443' }], fc.constant({ listener: { envoyConfig: { kind: 'CiliumClusterwideEnvoyConfig', name: 'envoy' }, name: 'first', priority: 5 } })),
      of([{ port: '8000', endPort: 9000 }], fc.constant({ listener: { envoyConfig: { kind: 'CiliumClusterwideEnvoyConfig', name: 'envoy' }, name: 'second' } })),
    ),
  );
}

/** The port fields of an entry: `toPorts`, `icmps`, or neither. */
export function portFields(to: boolean, allow: boolean, features: Features): fc.Arbitrary<Spec> {
  const named = { ...features, namedPorts: features.namedPorts };
  const plain = object({ ports: fc.array(port(named), { maxLength: 3 }) });
  const rule = features.layer7 && allow ? fc.oneof({ weight: 1, arbitrary: plain }, { weight: 2, arbitrary: proxied(to) }) : plain;
  const icmp = fc.oneof<fc.Arbitrary<Spec>[]>(
    fc.record({ family: fc.constantFrom('IPv4', 'IPv6'), type: fc.constantFrom(...ICMP_TYPES) }, { noNullPrototype: true }),
    fc.record({ type: fc.constantFrom('EchoRequest', 'EchoReply', '3') }, { noNullPrototype: true }),
    fc.record({ family: fc.constant('IPv6'), type: fc.constantFrom('EchoRequest', 'PacketTooBig', 'NeighborSolicitation') }, { noNullPrototype: true }),
  );
  return fc.oneof<{ weight: number; arbitrary: fc.Arbitrary<Spec> }[]>(
    { weight: 1, arbitrary: fc.constant({}) },
    { weight: 3, arbitrary: fc.array(rule, few).map((toPorts) => ({ toPorts })) },
    { weight: 1, arbitrary: fc.array(fc.record({ fields: fc.array(icmp, few) }, { noNullPrototype: true }), few).map((icmps) => ({ icmps })) },
  );
}
