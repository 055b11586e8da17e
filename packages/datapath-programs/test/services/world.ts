import { parseCidr, parseIp, type Cidr, type IpAddress } from '@cilium-ts/core';
import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { expect } from 'vitest';
import { frontendText, type BackendRecord, type DesiredServices, type PoolRecord, type RecordChanges, type ServiceRecord, type ServiceRecords } from '../../src/services/records.ts';

/** Parses or fails the test. */
export const ip = (text: string): IpAddress => parseIp(text) ?? expect.fail(text);
export const cidr = (text: string): Cidr => parseCidr(text) ?? expect.fail(text);

/** A frontend as a test writes it: `10.96.0.1:80`, `10.96.0.1:53/17`, `10.96.0.1:0/0` for a wildcard. */
export interface Front {
  readonly at: string;
  readonly scope?: 'external' | 'internal';
  readonly flags?: number;
  readonly timeout?: number;
  readonly ranges?: readonly string[];
  /** Name of the pool; none: no backends. */
  readonly pool?: string;
}

/** A pool as a test writes it: endpoints with weights; weight 0 keeps one alive that takes no new connections. */
export type PoolSpec = Readonly<Record<string, number>>;

/** What a test wants: frontends, and pools by name. */
export interface Spec {
  readonly fronts: readonly Front[];
  readonly pools: Readonly<Record<string, PoolSpec>>;
}

/**
 * Gives names numbers: the same name keeps its number. One that was given back comes last, or (`hasty`) as soon as the
 * next records are made.
 */
export function createNumbers(first: number, count: number, hasty = false): { of(name: string): number; keep(names: ReadonlySet<string>): void } {
  const free = Array.from({ length: count }, (_, index) => first + index);
  const taken = new Map<string, number>();
  const returned: number[] = [];
  return {
    of(name) {
      const known = taken.get(name);
      if (known !== undefined) return known;
      const number = free.shift() ?? expect.fail(`no number left for ${name}`);
      taken.set(name, number);
      return number;
    },
    keep(names) {
      free.unshift(...returned.splice(0));
      for (const [name, number] of [...taken]) {
        if (names.has(name)) continue;
        taken.delete(name);
        (hasty ? returned : free).push(number);
      }
    },
  };
}

/** Turns what tests want into records, with numbers that stay. */
export interface Numbering {
  records(spec: Spec): ServiceRecords;
}

/** Ids of pools are never given to another: 32 bits suffice. */
export function createPoolNumbers(): (name: string, generation: number) => number {
  const numbers = new Map<string, number>();
  return (name, generation) => {
    const key = `${name} ${generation}`;
    const number = numbers.get(key) ?? numbers.size + 1;
    numbers.set(key, number);
    return number;
  };
}

export function createNumbering(sizes: { services?: number; backends?: number; hasty?: boolean } = {}, poolNumber = createPoolNumbers()): Numbering {
  const ids = createNumbers(1, sizes.services ?? 63, sizes.hasty);
  const wildcards = createNumbers(65_536, 64);
  const lives = new Map<string, number>();
  let present = new Set<string>();
  const pools = {
    of: (name: string): number => poolNumber(name, lives.get(name) ?? 0),
    keep(names: ReadonlySet<string>): void {
      for (const name of present) if (!names.has(name)) lives.set(name, (lives.get(name) ?? 0) + 1);
      present = new Set(names);
    },
  };
  const indexes = createNumbers(1, sizes.backends ?? 63, sizes.hasty);
  return {
    records(spec) {
      const wanted = spec.fronts.map((front) => ({ front, identity: frontIdentity(front) }));
      ids.keep(new Set(wanted.map(({ identity }) => frontendText(identity))));
      wildcards.keep(new Set(wanted.map(({ identity }) => frontendText(identity))));
      pools.keep(new Set(Object.keys(spec.pools)));
      indexes.keep(new Set(Object.entries(spec.pools).flatMap(([name, pool]) => Object.keys(pool).map((each) => `${name} ${each}`))));
      const services = wanted.map(({ front, identity }): ServiceRecord => {
        const wildcard = identity.port === 0;
        return {
          ...identity,
          id: (wildcard ? wildcards : ids).of(frontendText(identity)),
          flags: wildcard ? 0 : (front.flags ?? 0) | (front.ranges === undefined ? 0 : SERVICE_FLAG.SOURCE_RANGE),
          affinityTimeout: front.timeout ?? 0,
          pool: front.pool === undefined || wildcard ? 0 : pools.of(front.pool),
          sourceRanges: (front.ranges ?? []).map(cidr),
        };
      });
      const backends: BackendRecord[] = [];
      const runs: PoolRecord[] = [];
      for (const [name, pool] of Object.entries(spec.pools)) {
        const id = pools.of(name);
        const run: number[] = [];
        for (const [endpoint, weight] of Object.entries(pool)) {
          const { address, port } = endpointOf(endpoint);
          const index = indexes.of(`${name} ${endpoint}`);
          backends.push({ index, pool: id, address, port, protocol: 6, state: weight === 0 ? 'terminating' : 'active', zone: 0 });
          run.push(...Array<number>(weight).fill(index));
        }
        runs.push({ id, run: Uint32Array.from(run) });
      }
      return { services: byKey(services, ({ id }) => id), pools: byKey(runs, ({ id }) => id), backends: byKey(backends, ({ index }) => index) };
    },
  };
}

/** Records as what is desired. */
export function desired(records: ServiceRecords, changed?: RecordChanges, nodeAddresses: readonly string[] = NODE): DesiredServices {
  return { records, nodeAddresses: nodeAddresses.map(ip), ...(changed !== undefined && { changed }) };
}

/** The node's addresses in tests. */
export const NODE = ['192.0.2.1', '2001:db8::1'] as const;

/** What differs between two sets of records. */
export function changesBetween(before: ServiceRecords, after: ServiceRecords): RecordChanges {
  const differing = <T>(a: ReadonlyMap<number, T>, b: ReadonlyMap<number, T>): Set<number> =>
    new Set([...a.keys(), ...b.keys()].filter((key) => asText(a.get(key)) !== asText(b.get(key))));
  return { services: differing(before.services, after.services), pools: differing(before.pools, after.pools), backends: differing(before.backends, after.backends) };
}

const asText = (value: unknown): string => JSON.stringify(value, (key, each: unknown) => (key === 'bytes' ? undefined : each instanceof Uint32Array ? [...each] : each)) ?? '';

/** What a frontend is found by. */
export function frontIdentity({ at, scope = 'external' }: Front): Pick<ServiceRecord, 'address' | 'port' | 'protocol' | 'scope'> {
  const [end = at, protocol] = at.split('/');
  return { ...endpointOf(end), protocol: protocol === undefined ? 6 : Number(protocol), scope };
}

function endpointOf(text: string): { address: IpAddress; port: number } {
  const colon = text.lastIndexOf(':');
  return { address: ip(text.slice(0, colon).replace(/^\[|\]$/g, '')), port: Number(text.slice(colon + 1)) };
}

function byKey<T>(items: readonly T[], keyOf: (item: T) => number): Map<number, T> {
  return new Map(items.map((item) => [keyOf(item), item]));
}
