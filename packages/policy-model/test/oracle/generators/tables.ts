import fc from 'fast-check';
import type { SimOptions, SimService, Tables } from '../simulator/tables.ts';
import type { Features } from './features.ts';
import { OUTSIDE } from './parties.ts';
import { NAMES, PROVIDER_GROUPS, prefix } from './pools.ts';

const addresses = fc.uniqueArray(fc.constantFrom(...OUTSIDE.flatMap((party) => party.addresses)), { minLength: 1, maxLength: 2 });

const service = fc.oneof<fc.Arbitrary<SimService>[]>(
  fc.constantFrom<SimService>(
    { namespace: 'shop', name: 'web', labels: {}, selector: { app: 'web' } },
    { namespace: 'bank', name: 'web', labels: { role: 'data' }, selector: { app: 'web' } },
    { namespace: 'bank', name: 'queue', labels: { role: 'data' }, selector: { app: 'queue', tier: 'front' } },
  ),
  addresses.map((list) => ({ namespace: 'shop', name: 'ext', labels: { role: 'data' }, addresses: list })),
  addresses.map((list) => ({ namespace: 'bank', name: 'ext', labels: {}, addresses: list })),
);

/** Services, names that resolved, and groups of providers. */
export const tables: fc.Arbitrary<Tables> = fc.record(
  {
    services: fc.uniqueArray(service, { maxLength: 4, selector: ({ namespace, name }) => `${namespace}/${name}` }),
    names: fc.array(
      fc.record({ name: fc.constantFrom(...NAMES).map((name) => `${name}.`), addresses }, { noNullPrototype: true }),
      { maxLength: 4 },
    ),
    groups: fc.array(fc.uniqueArray(prefix, { maxLength: 2 }), { minLength: PROVIDER_GROUPS.length, maxLength: PROVIDER_GROUPS.length }).map((lists) =>
      PROVIDER_GROUPS.map((group, i) => ({ group, prefixes: lists[i]! })),
    ),
  },
  { noNullPrototype: true },
);

/** Options; one family alone now and then. */
export const options = ({ hostPolicies }: Features): fc.Arbitrary<SimOptions> => fc
  .record(
    {
      enforcement: fc.oneof({ weight: 8, arbitrary: fc.constant('default' as const) }, { weight: 1, arbitrary: fc.constantFrom('always' as const, 'never' as const) }),
      allowLocalhost: fc.boolean(),
      families: fc.oneof({ weight: 6, arbitrary: fc.constant({ ipv4: true, ipv6: true }) }, { weight: 1, arbitrary: fc.constantFrom({ ipv4: true, ipv6: false }, { ipv4: false, ipv6: true }) }),
      defaultLocalCluster: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
      strictNetworkPolicy: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      hostFirewall: hostPolicies ? fc.boolean() : fc.constant(false),
    },
    { noNullPrototype: true },
  )
  .map(({ families, ...rest }) => ({ ...rest, ...families, clusterName: 'default' }));
