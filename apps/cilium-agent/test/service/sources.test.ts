import { parseCidr, parseIp } from '@cilium-ts/core';
import { defineService } from '@cilium-ts/loadbalancer';
import type { EndpointSlice, Service } from '@cilium-ts/loadbalancer';
import { createPolicyDirectory } from '@cilium-ts/policy-model';
import { MAGLEV_TABLE_SIZES as MODEL_SIZES } from '@cilium-ts/loadbalancer';
import { describe, expect, it } from 'vitest';
import { MAGLEV_TABLE_SIZES } from '../../src/config/service-options.ts';
import { apiServiceId, apiServiceKey, apiServiceObjects } from '../../src/service/api-services.ts';
import { createLocalEndpoints } from '../../src/service/local-endpoints.ts';
import { createObjectTable } from '../../src/service/object-table.ts';
import { createServiceReferences } from '../../src/service/service-references.ts';
import { NO_OBJECTS } from '../../src/service/service-objects.ts';
import type { ApiServiceRecord } from '../../src/state/schemas.ts';

const record = (request: Partial<ApiServiceRecord['request']>): ApiServiceRecord => ({
  version: 1, id: 7, created: 5, request: { 'frontend-address': { ip: '10.96.0.1', port: 80, protocol: 'TCP' }, 'backend-addresses': [{ ip: '10.1.0.1', port: 8080 }], ...request },
});

describe('apiServiceObjects', () => {
  it('makes a service with its number, and a slice for each port of its backends', () => {
    const { services, slices } = apiServiceObjects(record({ 'backend-addresses': [{ ip: '10.1.0.1', port: 8080, weight: 3 }, { ip: '10.1.0.2', port: 8081, state: 'terminating', nodeName: 'n2', zone: 'z' }, { ip: '10.1.0.3', port: 8080 }] }));
    expect([...services.values()]).toMatchObject([{ namespace: 'API', name: '7', createdAt: 5, frontends: [{ kind: 'ClusterIP', port: 80, protocol: 'TCP', id: 7 }] }]);
    expect([...slices.values()].map(({ ports, endpoints }) => [ports[0]!.port, endpoints.map(({ addresses, state, weight }) => [addresses[0]!.text, state, weight])])).toEqual([
      [8080, [['10.1.0.1', 'active', 3], ['10.1.0.3', 'active', 100]]],
      [8081, [['10.1.0.2', 'terminating', 100]]],
    ]);
    expect(apiServiceId([...services.keys()][0]!)).toBe(7);
    expect(apiServiceId('Service/shop/7')).toBeUndefined();
    expect(apiServiceKey(7)).toBe('Service/API/7');
  });

  it.each<[string, Partial<ApiServiceRecord['request']>, RegExp]>([
    ['a frontend that is no address', { 'frontend-address': { ip: 'web', port: 80, protocol: 'TCP' } }, /frontend-address\.ip is "web"/],
    ['every address for a ClusterIP', { 'frontend-address': { ip: '::', port: 80, protocol: 'TCP' } }, /every address of the node.*set flags\.type/],
    ['a backend that is no address', { 'backend-addresses': [{ ip: '10.1', port: 1 }] }, /backend-addresses\[0\]\.ip is "10\.1"/],
    ['a backend of the other family', { 'backend-addresses': [{ ip: 'fd00::1', port: 1 }] }, /backend-addresses\[0\]\.ip is fd00::1, but the frontend has an IPv4 address/],
    ['a backend of another protocol', { 'backend-addresses': [{ ip: '10.1.0.1', port: 1, protocol: 'UDP' }] }, /protocol is UDP, but the frontend's is TCP/],
    ['a backend twice', { 'backend-addresses': [{ ip: '10.1.0.1', port: 1 }, { ip: '10.1.0.1', port: 1 }] }, /backend-addresses\[1\] is there twice/],
    ['a source range that is none', { flags: { sourceRanges: ['10'] } }, /flags\.sourceRanges\[0\] is "10"/],
  ])('refuses %s', (_, request, message) => { expect(() => apiServiceObjects(record(request))).toThrow(message); });
});

const slice = (...addresses: string[]): EndpointSlice => ({ namespace: 'shop', service: 'web', ports: [{ name: '', protocol: 'TCP', port: 80 }], endpoints: addresses.map((address) => ({ addresses: [parseIp(address)!], state: 'active' })) });

describe('createLocalEndpoints', () => {
  const endpoints = new Map<string, { device: 'up' | 'down' | 'gone'; record: { phase: 'creating' | 'ready' | 'deleting' } }>();
  const local = createLocalEndpoints({ nodeName: 'me', byAddress: (ip) => endpoints.get(ip) as never, ranges: [parseCidr('10.244.0.0/16')!] });
  const judged = (...addresses: string[]) => local.localise(slice(...addresses), 'k').endpoints.map(({ addresses: [ip], state, nodeName }) => [ip!.text, state, nodeName]);

  it('leaves others alone', () => {
    const other = slice('10.1.0.1');
    expect(local.localise(other, 'k')).toBe(other);
  });

  it('says how the endpoints of this node are', () => {
    endpoints.set('10.244.0.2', { device: 'up', record: { phase: 'ready' } });
    endpoints.set('10.244.0.3', { device: 'down', record: { phase: 'ready' } });
    endpoints.set('10.244.0.4', { device: 'up', record: { phase: 'creating' } });
    expect(judged('10.244.0.2', '10.244.0.3', '10.244.0.4', '10.244.0.5', '10.1.0.1')).toEqual([
      ['10.244.0.2', 'active', 'me'], ['10.244.0.3', 'maintenance', 'me'], ['10.244.0.4', 'maintenance', 'me'], ['10.1.0.1', 'active', undefined],
    ]);
  });

  it('knows which slices name an address', () => {
    local.localise(slice('10.244.0.9'), 'a');
    local.localise(slice('10.244.0.9', '10.244.0.8'), 'b');
    expect([...local.naming(['10.244.0.9', '10.244.7.7'])]).toEqual(['a', 'b']);
    local.localise(slice('10.244.0.8'), 'b');
    local.forget('a');
    expect([...local.naming(['10.244.0.9'])]).toEqual([]);
    expect([...local.naming(['10.244.0.8'])]).toEqual(['b']);
  });
});

describe('createObjectTable', () => {
  const bare = { localise: (each: EndpointSlice) => each, forget: () => undefined };
  const open = () => {
    const told: string[] = [];
    const note = (what: string) => (key: string) => { told.push(`${what} ${key}`); };
    const sink = {
      upsertService: note('put'), removeService: note('remove'), setEndpoints: note('put'), removeEndpoints: note('remove'), setPod: note('put'), removePod: note('remove'), setRedirect: note('put'), removeRedirect: note('remove'),
    };
    return { table: createObjectTable({ sink, local: bare, references: createServiceReferences(createPolicyDirectory()) }), told: () => told.splice(0) };
  };
  const service = (name: string, line = 1): Service => ({ ...defineService({ name, frontends: [] }), at: { line, column: 1, field: '' } });
  const objects = (services: Record<string, Service>, slices: Record<string, EndpointSlice> = {}) => ({ ...NO_OBJECTS, services: new Map(Object.entries(services)), slices: new Map(Object.entries(slices)) });

  it('tells what changed and nothing else', () => {
    const { table, told } = open();
    table.update(new Map([['a', objects({ s1: service('s1'), s2: service('s2') }, { e1: slice('10.1.0.1') })]]));
    expect(told()).toEqual(['put s1', 'put s2', 'put e1']);
    // Another place in the file is no change.
    table.update(new Map([['a', objects({ s1: service('s1', 9), s2: service('other') }, { e1: slice('10.1.0.1') })]]));
    expect(told()).toEqual(['put s2']);
    table.update(new Map([['a', objects({ s1: service('s1') })]]));
    expect(told()).toEqual(['remove s2', 'remove e1']);
    expect(table.events).toEqual({ add: 2, update: 1, delete: 1 });
    table.update(new Map([['a', undefined]]));
    expect(told()).toEqual(['remove s1']);
  });

  it('does not touch what moves from one source to another', () => {
    const { table, told } = open();
    table.update(new Map([['a', objects({ s1: service('s1') })]]));
    told();
    table.update(new Map([['a', undefined], ['b', objects({ s1: service('s1') })]]));
    expect([told(), table.sourceOf('s1')]).toEqual([[], 'b']);
  });

  it('pushes slices again when asked, and knows who wants probing', () => {
    const { table, told } = open();
    table.update(new Map([['a', objects({ s1: { ...service('s1'), healthCheck: { kind: 'tcp' } } }, { e1: slice('10.1.0.1') })]]));
    told();
    table.refresh(['e1', 'e2']);
    expect(told()).toEqual(['put e1']);
    expect([...table.probed()]).toEqual([['s1', { kind: 'tcp' }]]);
    table.update(new Map([['a', undefined]]));
    expect([...table.probed()]).toEqual([]);
  });
});

describe('settings', () => {
  it("take the model's table sizes", () => { expect([...MAGLEV_TABLE_SIZES]).toEqual([...MODEL_SIZES]); });
});
