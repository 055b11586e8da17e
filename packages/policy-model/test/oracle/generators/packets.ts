import fc from 'fast-check';
import type { SimPacket, SimRequest } from '../simulator/tables.ts';
import type { Features } from './features.ts';
import { ICMP_TYPES, PORTS, object } from './pools.ts';

const PORTLESS = [0, 2, 47, 112, 255];

const plain: fc.Arbitrary<SimPacket> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ protocol: fc.constantFrom(6, 6, 17, 132), port: fc.constantFrom(...PORTS) }, { noNullPrototype: true }) },
  { weight: 2, arbitrary: fc.record({ protocol: fc.constantFrom(1, 58), port: fc.constantFrom(...ICMP_TYPES) }, { noNullPrototype: true }) },
  { weight: 1, arbitrary: fc.constantFrom(...PORTLESS).map((protocol) => ({ protocol, port: 0 })) },
);

const http: fc.Arbitrary<SimRequest> = fc.record(
  {
    kind: fc.constant('http' as const),
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'get', 'GETX'),
    path: fc.constantFrom('/', '/public/a', '/public', '/v1/item', '/v12/items', '/x/public/a'),
    host: fc.constantFrom('shop.example', 'bank', 'shopXexample'),
    headers: fc.constantFrom<Record<string, string>>({}, { 'X-Token': 'abc' }, { 'x-token': 'xyz', 'X-Other': 'q' }),
  },
  { noNullPrototype: true },
);
const kafka: fc.Arbitrary<SimRequest> = fc
  .tuple(fc.constantFrom(0, 1, 3, 12, 18, 19), fc.constantFrom(0, 3), fc.constantFrom('c1', 'c2'), object({ topic: fc.constantFrom('orders', 'logs') }))
  .map(([apiKey, apiVersion, clientId, more]) => ({ kind: 'kafka', apiKey, apiVersion, clientId, ...([0, 1, 3].includes(apiKey) ? { topic: 'logs', ...more } : {}) }));
const dns: fc.Arbitrary<SimRequest> = fc
  .constantFrom('api.example.com', 'WWW.example.com.', 'a.b.example.com', 'example.org', 'example.com', 'com')
  .map((name) => ({ kind: 'dns', name }));
const generic: fc.Arbitrary<SimRequest> = fc
  .tuple(fc.constantFrom('redis', 'memcache'), object({ command: fc.constantFrom('get', 'set', 'del'), key: fc.constantFrom('a', 'b', 'c') }))
  .map(([parser, fields]) => ({ kind: 'generic', parser, fields: fields as Record<string, string> }));

const serverName = object({ serverName: fc.constantFrom('a.example.com', 'B.example.com', 'x.y.example.com', 'example.com') });

const within = (protocol: number, ports: readonly number[], request: fc.Arbitrary<SimRequest>): fc.Arbitrary<SimPacket> =>
  fc.tuple(fc.constantFrom(...ports), request, serverName).map(([port, one, name]) => ({ protocol, port, request: one, ...name }));

/** A request of every protocol, and the packets that there are: for questions aimed at an entry of a policy. */
export const aims = fc.record({ http, kafka, dns, redis: generic, memcache: generic, serverName, packet: fc.nat() }, { noNullPrototype: true });
export type Aim = typeof aims extends fc.Arbitrary<infer T> ? T : never;

export const PACKETS: readonly SimPacket[] = [
  ...[6, 17, 132].flatMap((protocol) => PORTS.map((port) => ({ protocol, port }))),
  ...[1, 58].flatMap((protocol) => ICMP_TYPES.map((port) => ({ protocol, port }))),
  ...PORTLESS.map((protocol) => ({ protocol, port: 0 })),
];

const requests = fc.oneof<fc.Arbitrary<SimPacket>[]>(
  within(6, [80, 8080, 443, 81], http),
  within(6, [9092, 79, 80, 81], kafka),
  within(17, [53], dns),
  within(6, [53], dns),
  within(6, [6379], generic),
  fc.tuple(fc.constantFrom(443, 80, 100, 8443), serverName).map(([port, name]) => ({ protocol: 6, port, ...name })),
);

export function packets({ layer7 }: Features): fc.Arbitrary<SimPacket> {
  return layer7 ? fc.oneof({ weight: 3, arbitrary: plain }, { weight: 4, arbitrary: requests }) : plain;
}
