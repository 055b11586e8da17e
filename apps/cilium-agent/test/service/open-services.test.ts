import { parseCidr, parseIp, silentLogger } from '@cilium-ts/core';
import { createPolicyDirectory } from '@cilium-ts/policy-model';
import type { PolicyDirectory } from '@cilium-ts/policy-model';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createEndpointTable } from '../../src/endpoint/endpoint-table.ts';
import { openServices } from '../../src/service/open-services.ts';
import type { ReadServices } from '../../src/service/service-slot.ts';
import { fakeWriter, webFile } from './support.ts';

let base: string;
let folder: string;
let services: ReadServices;
let directory: PolicyDirectory;
/** How often the kernel had been written when policies were asked for. */
let told: number[];
let writer: ReturnType<typeof fakeWriter>;
let ended: unknown[];

const start = async (flags: [string, string][] = []): Promise<void> => {
  const { values } = loadConfig({ flags: [['state-dir', join(base, 'state')], ['service-dir', folder], ['node-name', 'me'], ...flags], environment: {} });
  writer = fakeWriter();
  ended = [];
  directory = createPolicyDirectory();
  services = await openServices({
    values, logger: silentLogger, failpoint: () => undefined, writer, endpoints: createEndpointTable(), ranges: [parseCidr('10.244.0.0/16')!],
    nodeAddresses: () => [parseIp('192.0.2.2')!, parseIp('127.0.0.1')!], ended: (backends) => { ended.push(...backends); }, guarded: () => undefined,
    directory, referred: () => { told.push(writer.calls.length); return Promise.resolve(); },
  });
  told = [];
  await services.start();
};
const restart = async (): Promise<void> => {
  await services.close();
  await start();
};
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'services-'));
  folder = join(base, 'services');
  await mkdir(folder);
  await mkdir(join(base, 'state'));
  await start();
});
afterEach(async () => {
  await services.close();
  await rm(base, { recursive: true });
});

const put = async (name: string, text: string): Promise<void> => {
  await writeFile(join(base, 'draft'), text);
  await rename(join(base, 'draft'), join(folder, name));
};
const request = (ip: string, ...backends: string[]) => ({ 'frontend-address': { ip, port: 80, protocol: 'TCP' as const }, 'backend-addresses': backends.map((backend) => ({ ip: backend, port: 8080 })) });

describe('services from files', () => {
  it('follow the folder', async () => {
    await put('web.yaml', webFile());
    await expect.poll(() => writer.table()).toEqual({ '10.96.0.10:80': ['10.1.0.1:8080', '10.1.0.2:8080'] });
    await put('web.yaml', webFile({ backends: ['10.1.0.3'] }));
    await expect.poll(() => writer.table()).toEqual({ '10.96.0.10:80': ['10.1.0.3:8080'] });
    await put('web.yaml', 'kind: [oops');
    await expect.poll(() => services.files().map(({ status }) => status)).toEqual(['last-accepted']);
    expect(services.status()).toMatchObject({ state: 'Warning', msg: expect.stringMatching(/web\.yaml:1/) });
    expect(writer.table()).toEqual({ '10.96.0.10:80': ['10.1.0.3:8080'] });
    await restart();
    expect(writer.table()).toEqual({ '10.96.0.10:80': ['10.1.0.3:8080'] });
    await rm(join(folder, 'web.yaml'));
    await expect.poll(() => writer.table()).toEqual({});
    expect(services.status()).toEqual({ state: 'Ok' });
  });

  it('stay as they are while the folder is deleted and made anew, or another takes its place', async () => {
    await put('web.yaml', webFile());
    await put('shop.yaml', webFile({ name: 'shop', address: '10.96.0.11' }));
    const [web, shop] = [{ '10.96.0.10:80': ['10.1.0.1:8080', '10.1.0.2:8080'] }, { '10.96.0.11:80': ['10.1.0.1:8080', '10.1.0.2:8080'] }];
    await expect.poll(() => writer.table()).toEqual({ ...web, ...shop });
    let least = Infinity;
    const apply = writer.apply.bind(writer);
    writer.apply = async (desired, ...rest) => {
      const report = await apply(desired, ...rest);
      least = Math.min(least, Object.keys(writer.table()).length);
      return report;
    };
    await rm(folder, { recursive: true });
    await expect.poll(() => services.status()).toMatchObject({ state: 'Warning', msg: expect.stringMatching(/service folder: .*everything accepted from it stays in force/) });
    await mkdir(folder);
    await put('web.yaml', webFile({ backends: ['10.1.0.3'] }));
    await expect.poll(() => writer.table()).toEqual({ '10.96.0.10:80': ['10.1.0.3:8080'], ...shop });
    await put('shop.yaml', webFile({ name: 'shop', address: '10.96.0.11', backends: ['10.1.0.4'] }));
    await expect.poll(() => writer.table()).toEqual({ '10.96.0.10:80': ['10.1.0.3:8080'], '10.96.0.11:80': ['10.1.0.4:8080'] });
    await mkdir(`${folder}-next`);
    for (const name of ['web.yaml', 'shop.yaml']) await copyFile(join(folder, name), join(`${folder}-next`, name));
    await rename(folder, `${folder}-old`);
    await rename(`${folder}-next`, folder);
    await expect.poll(() => services.status(), { timeout: 3000 }).toEqual({ state: 'Ok' });
    expect(least).toBe(2);
    // A folder that stays empty is empty.
    for (const name of ['web.yaml', 'shop.yaml']) await rm(join(folder, name));
    await expect.poll(() => writer.table(), { timeout: 5000 }).toEqual({});
  });

  it('are what policies may refer to, from before anything is in force, with changes told first', async () => {
    const outside = (...backends: string[]): string => webFile({ backends }).replace('name: web,', 'name: web, labels: { tier: edge },');
    const known = () => directory.allServices().map(({ namespace, name, labels, selector, prefixes }) => ({ name: `${namespace}/${name}`, labels: labels.toStrings(), selector, prefixes: prefixes.map(({ text }) => text) }));
    const web = (...prefixes: string[]) => ({ name: 'shop/web', labels: ['k8s:tier=edge'], selector: undefined, prefixes });
    await put('web.yaml', outside('10.1.0.1', '10.1.0.2'));
    await expect.poll(known).toEqual([web('10.1.0.1/32', '10.1.0.2/32')]);
    await expect.poll(() => [told, writer.calls.length]).toEqual([[1], 2]);
    await put('web.yaml', outside('10.1.0.3'));
    await expect.poll(known).toEqual([web('10.1.0.3/32')]);
    await put('web.yaml', outside('10.1.0.3').replace('  clusterIP:', '  selector: { app: web }\n  clusterIP:'));
    await expect.poll(known).toEqual([{ ...web(), selector: { app: 'web' } }]);
    await services.put(7, request('10.96.0.7', '10.1.0.9'));
    expect(known()).toHaveLength(1);
    await services.close();
    await start();
    expect(known()).toEqual([{ ...web(), selector: { app: 'web' } }]);
    expect(told).toEqual([]);
    await rm(join(folder, 'web.yaml'));
    await expect.poll(known).toEqual([]);
    await expect.poll(() => told).toEqual([1]);
  });

  it('are shown as the API shows them', async () => {
    await put('web.yaml', webFile());
    await expect.poll(() => services.list().length).toBe(1);
    const [service] = services.list();
    expect(service).toMatchObject({
      spec: { 'frontend-address': { ip: '10.96.0.10', port: 80, protocol: 'TCP', scope: 'external' }, flags: { type: 'ClusterIP', name: 'web', namespace: 'shop' }, 'backend-addresses': [{ ip: '10.1.0.1', port: 8080, state: 'active' }, { ip: '10.1.0.2' }] },
      status: { source: 'web.yaml' },
    });
    expect(services.get(service!.spec.id)).toEqual(service);
    expect(() => services.get(999)).toThrow(/there is no service 999/);
    await expect(services.delete(service!.spec.id)).rejects.toThrow(/comes from the file web\.yaml/);
  });
});

describe('services that can not work here', () => {
  const rows = () => services.list().map(({ spec: { id, 'frontend-address': { ip } }, status }) => [id, ip, status.problem]);

  it.each([[4, 'enable-ipv4', '10.96.0.10', '10.1.0.1', 6], [6, 'enable-ipv6', 'fd00:96::10', 'fd00:1::1', 4]] as const)('for IPv%s is off are listed and say so', async (...[family, key, address, backend, other]) => {
    await services.close();
    await start([[key, 'false']]);
    const problem = `IPv${family} is switched off on this node, and the service has no other addresses (switch it on with ${key}, or give the service an IPv${other} address)`;
    expect((await services.put(7, request(address, backend))).status.problem).toBe(problem);
    expect(services.list().map(({ spec, status }) => [spec.id, status.problem])).toEqual([[7, problem]]);
    await services.delete(7);
    await put('web.yaml', webFile({ address: `"${address}"`, backends: [`"${backend}"`] }).replace('addressType: IPv4', `addressType: IPv${family}`));
    await expect.poll(rows).toEqual([[0, address, problem]]);
    expect(services.status()).toEqual({ state: 'Warning', msg: expect.stringMatching(`web.yaml:1: error: shop/web: IPv${family} is switched off`) });
    expect(() => services.get(0)).toThrow(/there is no service 0/);
    expect(writer.table()).toEqual({});
  });

  it('by one of two families say it of the frontend, and work by the other', async () => {
    await services.close();
    await start([['enable-ipv6', 'false']]);
    await put('web.yaml', webFile().replace('clusterIPs: [10.96.0.10]', 'clusterIPs: [10.96.0.10, "fd00:96::10"]\n  ipFamilies: [IPv4, IPv6]'));
    await expect.poll(rows).toEqual([[1, '10.96.0.10', undefined], [0, 'fd00:96::10', 'warning: IPv6 is switched off on this node (enable-ipv6 switches it on)']]);
    expect(services.status()).toEqual({ state: 'Ok', msg: '1 service has a warning; `cilium service list` shows them' });
  });

  it('for their endpoints have other ports say so, those without endpoints do not', async () => {
    await put('web.yaml', webFile().replace('{name: "", port: 8080, protocol: TCP}', '{name: dns, port: 53, protocol: UDP}'));
    await expect.poll(rows).toEqual([[1, '10.96.0.10', expect.stringMatching(/^warning: it has no backends: it needs endpoints with the TCP port without a name, and they have the UDP port "dns" \(give/)]]);
    expect(services.status()).toMatchObject({ state: 'Ok', msg: expect.stringContaining('1 service has a warning') });
    await put('web.yaml', webFile({ backends: [] }));
    await expect.poll(rows).toEqual([[1, '10.96.0.10', undefined]]);
    expect(services.status()).toEqual({ state: 'Ok' });
  });
});

describe('services over the API', () => {
  it('are in force when the call returns, replace each other, survive a restart and go', async () => {
    expect(await services.put(7, request('10.96.0.7', '10.1.0.1'))).toMatchObject({ spec: { id: 7 }, status: { source: 'api', realized: { id: 7, 'backend-addresses': [{ ip: '10.1.0.1', state: 'active' }] } } });
    expect(writer.table()).toEqual({ '10.96.0.7:80': ['10.1.0.1:8080'] });
    await services.put(7, request('10.96.0.7', '10.1.0.2', '10.1.0.3'));
    await services.put(8, { ...request('fd00::8', 'fd00::1'), flags: { type: 'LoadBalancer', name: 'lb', namespace: 'edge' } });
    const both = { '10.96.0.7:80': ['10.1.0.2:8080', '10.1.0.3:8080'], '[fd00::8]:80': ['[fd00::1]:8080'] };
    expect(writer.table()).toEqual(both);
    await restart();
    expect(writer.table()).toEqual(both);
    expect(services.list().map(({ spec }) => [spec.id, spec.flags.type, spec.flags.name])).toEqual([[7, 'ClusterIP', undefined], [8, 'LoadBalancer', 'lb']]);
    await services.delete(7);
    expect(writer.table()).toEqual({ '[fd00::8]:80': ['[fd00::1]:8080'] });
    await expect(services.delete(7)).rejects.toThrow(/there is no service 7/);
    expect(await readdir(join(base, 'state', 'service-api'))).toEqual(['8.json']);
    expect(services.events).toEqual({ add: 2, update: 0, delete: 1 });
  });

  it('that conflict with others are refused, and everything is as before', async () => {
    await services.put(7, request('10.96.0.7', '10.1.0.1'));
    await put('web.yaml', webFile());
    await expect.poll(() => Object.keys(writer.table()).length).toBe(2);
    await expect(services.put(20, request('10.96.0.7', '10.1.0.9'))).rejects.toMatchObject({ code: 'conflict', message: expect.stringMatching(/API\/7 \(api\)/) });
    await expect(services.put(20, request('10.96.0.10', '10.1.0.9'))).rejects.toMatchObject({ code: 'conflict' });
    const taken = services.list().find(({ status }) => status.source === 'web.yaml')!.spec.id;
    await expect(services.put(taken, request('10.96.0.99', '10.1.0.9'))).rejects.toMatchObject({ code: 'conflict' });
    await expect(services.put(7, request('10.96.0.10', '10.1.0.9'))).rejects.toMatchObject({ code: 'conflict' });
    expect(services.list().map(({ spec }) => spec['frontend-address'].ip).sort()).toEqual(['10.96.0.10', '10.96.0.7']);
    expect(await readdir(join(base, 'state', 'service-api'))).toEqual(['7.json']);
    expect(services.status()).toEqual({ state: 'Ok' });
  });

  it.each([
    ['a multicast frontend', '224.0.0.1', ['10.1.0.1'], {}, /frontend-address\.ip is 224\.0\.0\.1, which nothing can be sent to; give/],
    ['a loopback frontend', '127.0.0.1', ['10.1.0.1'], {}, /frontend-address\.ip is 127\.0\.0\.1, which nothing/],
    ['a loopback backend', '10.96.0.7', ['10.1.0.1', '127.0.0.1'], {}, /backend-addresses\[1\]\.ip is 127\.0\.0\.1, which nothing/],
    ['a backend at no address', 'fd00::7', ['::'], {}, /backend-addresses\[0\]\.ip is ::, which nothing/],
    ['every address without a NodePort', '0.0.0.0', ['10.1.0.1'], {}, /only NodePort and HostPort can have; set flags\.type/],
    ['source ranges of the other family', '10.96.0.7', ['10.1.0.1'], { type: 'LoadBalancer', sourceRanges: ['10.0.0.0/8', 'fd00::/8'] }, /flags\.sourceRanges\[1\] is fd00::\/8, but the frontend has an IPv4 address.*give prefixes of its family/],
    ['source ranges that are none', '10.96.0.7', ['10.1.0.1'], { type: 'LoadBalancer', sourceRanges: ['10.0.0.0/33'] }, /flags\.sourceRanges\[0\] is "10\.0\.0\.0\/33", which is no prefix/],
  ] as const)('with %s are refused, naming field and remedy', async (...[, ip, backends, flags, message]) => {
    await expect(services.put(7, { ...request(ip, ...backends), flags: { ...flags, sourceRanges: 'sourceRanges' in flags ? [...flags.sourceRanges] : [] } })).rejects.toMatchObject({ code: 'invalid', message: expect.stringMatching(message) });
    expect(services.list()).toEqual([]);
    expect(await readdir(join(base, 'state', 'service-api'))).toEqual([]);
  });

  it('that the settings have no room for say which to raise, and the others work', async () => {
    await services.close();
    await start([['bpf-lb-map-max', '16'], ['bpf-lb-backend-map-max', '20']]);
    // What drops the other ports of each address takes no place of theirs.
    for (let at = 1; at <= 16; at++) expect((await services.put(at, request(`10.96.0.${at}`, '10.1.0.1'))).status.problem).toBeUndefined();
    expect((await services.put(17, request('10.96.0.17', '10.1.0.1'))).status.problem).toMatch(/no id is left for this frontend: .* \(raise bpf-lb-map-max/);
    expect((await services.put(1, request('10.96.0.1', ...Array.from({ length: 30 }, (_, at) => `10.1.1.${at + 1}`)))).status.problem).toMatch(/of 30 backends have no place: .* \(raise bpf-lb-backend-map-max/);
    expect(writer.table()['10.96.0.2:80']).toEqual(['10.1.0.1:8080']);
    await services.delete(8);
    expect(services.list().find(({ spec }) => spec.id === 17)?.status.problem).toBeUndefined();
  });

  it('that the kernel has no room for say so, and the others work', async () => {
    writer.report = { changed: true, ended: [], guarded: [], failures: [{ id: 7, address: parseIp('10.96.0.7')!, port: 80, protocol: 6, scope: 'external', reason: 'backends-full', effect: 'reduced', message: 'the map of backends is full' }] };
    expect((await services.put(7, request('10.96.0.7', '10.1.0.1'))).status.problem).toBe('the map of backends is full');
    expect((await services.put(8, request('10.96.0.8', '10.1.0.1'))).status.problem).toBeUndefined();
    expect(services.status()).toMatchObject({ state: 'Warning', msg: expect.stringContaining('service 7: the map of backends is full (reduced)') });
  });

  it('fail where the kernel fails, are kept, and are tried again with everything compared', async () => {
    writer.failure = new Error('EPERM');
    await expect(services.put(7, request('10.96.0.7', '10.1.0.1'))).rejects.toThrow('EPERM');
    expect(services.status()).toMatchObject({ state: 'Failure', msg: 'EPERM' });
    writer.failure = undefined;
    await expect.poll(() => writer.calls.length, { timeout: 3000 }).toBeGreaterThan(1);
    expect(writer.calls.at(-1)!.changed).toBeUndefined();
    expect(services.status()).toEqual({ state: 'Ok' });
    await services.put(8, request('10.96.0.8'));
    expect(writer.calls.at(-1)!.changed).toBeDefined();
  });

  it('tell whose backends have gone', async () => {
    writer.report = { changed: true, failures: [], guarded: [], ended: [{ record: { index: 1, pool: 1, address: parseIp('10.1.0.1')!, port: 8080, protocol: 6, state: 'active', zone: 0 }, generation: 4 }] };
    await services.put(7, request('10.96.0.7'));
    expect(ended).toMatchObject([{ generation: 4 }]);
  });

  it('are explained', async () => {
    await services.put(7, request('10.96.0.7', '10.1.0.1'));
    expect(services.explain({ client: '10.244.0.5', 'client-port': 4000, ip: '10.96.0.7', port: 80 })).toMatchObject({ verdict: 'backend', backend: '10.1.0.1:8080', service: 'API/7' });
    expect(services.explain({ cookie: '12', ip: '10.96.0.7', port: 81 })).toMatchObject({ verdict: 'pass' });
    for (const flow of [{ ip: 'web', port: 80, client: '10.0.0.1' }, { ip: '10.96.0.7', port: 80 }, { ip: '10.96.0.7', port: 80, client: 'me' }]) expect(() => services.explain(flow)).toThrow(/explain service/);
  });
});

describe('NodePorts', () => {
  it('are on the addresses that nodeport-addresses names', async () => {
    await services.put(7, { ...request('0.0.0.0', '10.1.0.1'), 'frontend-address': { ip: '0.0.0.0', port: 30_080 }, flags: { type: 'NodePort' } });
    expect(writer.calls.at(-1)!.nodeAddresses.map(({ text }) => text)).toEqual(['192.0.2.2', '127.0.0.1']);
    await services.close();
    await start([['nodeport-addresses', '192.0.2.0/24']]);
    expect(writer.calls.at(-1)!.nodeAddresses.map(({ text }) => text)).toEqual(['192.0.2.2']);
  });
});
