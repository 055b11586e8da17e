import { silentLogger } from '@cilium-ts/core';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createProbeBook } from '../../../src/service/health/probe-book.ts';
import { probeOnce } from '../../../src/service/health/probe.ts';
import { createProber } from '../../../src/service/health/prober.ts';
import { createHealthCheckServer, healthAnswer } from '../../../src/service/health/health-check-server.ts';

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); })));
});
const serve = async (status: number): Promise<number> => {
  const server = createServer((request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(status).end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

describe('createProbeBook', () => {
  it('quarantines after so many failures in a row, and restores after so many successes', () => {
    const book = createProbeBook({ fall: 3, rise: 2 });
    const outcomes = [false, false, true, false, false, false, false, true, false, true, true, true];
    expect(outcomes.map((ok) => book.record('a', ok))).toEqual([undefined, undefined, undefined, undefined, undefined, 'quarantined', undefined, undefined, undefined, undefined, 'active', undefined]);
    expect(book.health('a')).toBe('active');
  });

  it('keeps backends apart and forgets', () => {
    const book = createProbeBook({ fall: 1, rise: 1 });
    expect([book.record('a', false), book.record('b', true), book.health('a'), book.health('b')]).toEqual(['quarantined', undefined, 'quarantined', 'active']);
    book.forget('a');
    expect(book.health('a')).toBe('active');
  });

  it.each([[0, 1], [1, 0], [1.5, 1]])('refuses fall %s, rise %s', (fall, rise) => { expect(() => createProbeBook({ fall, rise })).toThrow(RangeError); });
});

describe('probeOnce', () => {
  it('asks by TCP and by HTTP', async () => {
    const [good, bad] = [await serve(204), await serve(500)];
    const ask = (port: number, probe: Parameters<typeof probeOnce>[0]['probe']) => probeOnce({ address: '127.0.0.1', port, probe }, 500);
    expect(await ask(good, { kind: 'tcp' })).toBe(true);
    expect(await ask(good, { kind: 'http', path: '/' })).toBe(true);
    expect(await ask(bad, { kind: 'tcp' })).toBe(true);
    expect(await ask(bad, { kind: 'http', path: '/' })).toBe(false);
    expect(await ask(good, { kind: 'http', path: '/silent' })).toBe(false);
    expect(await ask(1, { kind: 'tcp' })).toBe(false);
    expect(await ask(1, { kind: 'http', path: '/' })).toBe(false);
  });
});

describe('createProber', () => {
  it('quarantines what does not answer, restores it, and lets go of what is not asked any more', async () => {
    const down = new Set<string>();
    const seen: string[] = [];
    const prober = createProber(
      { probe: ({ address }) => Promise.resolve(!down.has(address)), changed: (backend, health) => { seen.push(`${backend} ${health}`); }, logger: silentLogger },
      { intervalMs: 2, timeoutMs: 10 },
    );
    const targets = (...names: string[]) => new Map(names.map((name) => [name, { address: name, port: 80, probe: { kind: 'tcp' } as const }]));
    prober.update(targets('a', 'b'));
    down.add('a');
    await expect.poll(() => seen).toEqual(['a quarantined']);
    down.clear();
    await expect.poll(() => seen).toEqual(['a quarantined', 'a active']);
    down.add('b');
    await expect.poll(() => seen.length).toBe(3);
    prober.update(targets('a'));
    expect(seen.slice(2)).toEqual(['b quarantined', 'b active']);
    prober.close();
  });
});

describe('createHealthCheckServer', () => {
  const service = (port: number, localEndpoints: number) => ({ namespace: 'shop', name: 'web', port, localEndpoints });
  const freePort = async (): Promise<number> => {
    const port = await serve(200);
    await new Promise((resolve) => servers.pop()!.close(resolve));
    return port;
  };

  it.each([[2, 200], [0, 503]])('with %s backends here the answer is %s', (count, status) => {
    const answer = healthAnswer(service(30_000, count));
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toEqual({ service: { namespace: 'shop', name: 'web' }, localEndpoints: count, serviceProxyHealthy: true });
    expect(answer.headers['x-load-balancing-endpoint-weight']).toBe(String(count));
  });

  it('opens, changes and shuts ports as services come, change and go, and reports one that is taken', async () => {
    const [port, taken] = [await freePort(), await serve(418)];
    const server = createHealthCheckServer({ logger: silentLogger });
    const status = (at: number): Promise<number | undefined> => fetch(`http://127.0.0.1:${at}/`).then((answer) => answer.status, () => undefined);
    await server.update([service(port, 1)]);
    expect(await status(port)).toBe(200);
    await server.update([service(port, 0)]);
    expect(await status(port)).toBe(503);
    await server.update([]);
    expect(await status(port)).toBeUndefined();
    await server.update([service(port, 1)]);
    await server.close();
    expect(await status(port)).toBeUndefined();
    const blocker = createServer(() => undefined);
    servers.push(blocker);
    await new Promise<void>((resolve) => blocker.listen({ port: taken === port ? 0 : port, host: '::' }, resolve));
    await server.update([service(port, 1)]);
    expect(server.problems()).toEqual([expect.stringMatching(/shop\/web can not be opened.*EADDRINUSE/)]);
    await server.update([]);
    expect(server.problems()).toEqual([]);
    await server.close();
  });
});
