import fc from 'fast-check';

/** Small pools make policies, parties and packets meet. */
export const NAMESPACES = ['shop', 'bank'];
export const APPS = ['web', 'db', 'queue'];
export const PORTS = [0, 1, 53, 79, 80, 81, 100, 443, 6379, 8080, 8443, 9092, 65534, 65535];
export const PORT_NAMES = ['http', 'metrics', 'dns'];
export const ICMP_TYPES = [0, 1, 3, 8, 128, 129, 135, 255];

export const PREFIXES = ['198.51.100.0/24', '198.51.100.128/25', '203.0.113.0/24', '203.0.113.7/32', '0.0.0.0/0', '2001:db8:c::/64', '2001:db8:c::1/128', '::/0', '10.0.0.0/8', '10.7.0.0/31', '172.30.0.0/16', 'fd00::/8'];
export const prefix = fc.constantFrom(...PREFIXES);

/** Prefixes with exceptions inside of them. */
export const block = fc.oneof(
  prefix.map((cidr) => ({ cidr })),
  fc.constantFrom(
    { cidr: '198.51.100.0/24', except: ['198.51.100.128/25'] },
    { cidr: '0.0.0.0/0', except: ['203.0.113.0/24', '198.51.100.7/32'] },
    { cidr: '2001:db8::/32', except: ['2001:db8:c::1/128'] },
    { cidr: '203.0.113.0/24', except: ['203.0.113.0/24'] },
  ),
);

export const NAMES = ['api.example.com', 'www.example.com', 'a.b.example.com', 'example.org'];

export const PROVIDER_GROUPS = [{ aws: { securityGroupsIds: ['sg-1'] } }, { aws: { region: 'us-west-2', labels: { env: 'test' } } }];

export const CIDR_GROUPS: readonly { name: string; labels: Record<string, string> }[] = [
  { name: 'office', labels: { env: 'work' } },
  { name: 'cloud', labels: { env: 'work', zone: 'a' } },
  { name: 'spare', labels: {} },
];

/** `{ key: value }` without the keys that were not chosen. */
export const object = (model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(model, { requiredKeys: [], noNullPrototype: true });

/** Up to two, most often one. */
export const few = { minLength: 0, maxLength: 2 } as const;
export const some = { minLength: 1, maxLength: 2 } as const;

/** The second arbitrary where the feature is there. */
export function when<T>(on: boolean, ...arbitraries: fc.Arbitrary<T>[]): fc.Arbitrary<T>[] {
  return on ? arbitraries : [];
}
