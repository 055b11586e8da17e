import type { ServiceRequest } from '@cilium-ts/agent-api';
import { afterEach, describe, expect, it } from 'vitest';
import { openBench, tcp } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
afterEach(() => bench[Symbol.asyncDispose]());

/** Addresses that nobody has, of 100.64.0.0/10. */
const nobody = (from: number, count: number): string[] => Array.from({ length: count }, (_, at) => [100, 64 + ((from + at) >> 16), ((from + at) >> 8) & 255, (from + at) & 255].join('.'));
const request = (ip: string, backends: readonly string[]): ServiceRequest => ({ 'frontend-address': { ip, port: 80 }, 'backend-addresses': backends.map((backend) => ({ ip: backend, port: 80 })) });
const open = async (...flags: string[]): Promise<{ readonly client: AttachedPod; readonly server: AttachedPod }> => {
  bench = await openBench('sizes', { flags });
  const [client, server] = [await bench.pod('client'), await bench.pod('server')];
  await server.probe.listen({ protocol: 'tcp', port: 80 });
  return { client, server };
};
/** What a service says is wrong with it, and what is in the kernel for it. */
const put = async (id: number, asked: ServiceRequest) => {
  const { problem } = (await bench.client.putService(id, asked)).status;
  return { problem, backends: (await bench.client.listBpfServices()).find((entry) => entry.id === id)?.backends.length };
};

describe('sizes of maps', () => {
  it('at their least leave an agent that works', async () => {
    const { client, server } = await open(
      '--bpf-policy-map-max=64', '--bpf-policy-rows-max=64', '--bpf-address-map-max=64', '--bpf-prefix-map-max=16', '--bpf-remote-map-max=64', '--bpf-flow-map-max=64', '--bpf-fragments-map-max=8',
      '--bpf-events-size=4096', '--bpf-lb-map-max=16', '--bpf-lb-backend-map-max=16');
    expect(await put(7, request('10.96.0.7', [server.ipv4]))).toEqual({ problem: undefined, backends: 1 });
    expect(await tcp(client, '10.96.0.7')).toBe('ok');
  });

  it('of few backends give places again, however often backends are replaced', async () => {
    const { client, server } = await open('--bpf-lb-backend-map-max=20');
    for (let round = 0; round < 8; round++) expect(await put(7, request('10.96.0.7', nobody(16 * round, 16)))).toEqual({ problem: undefined, backends: 16 });
    expect(await put(7, request('10.96.0.7', [server.ipv4]))).toEqual({ problem: undefined, backends: 1 });
    expect(await tcp(client, '10.96.0.7')).toBe('ok');
    expect(await put(7, request('10.96.0.7', nobody(0, 20)))).toEqual({ problem: '1 of 20 backends have no place: the map of backends is full (raise bpf-lb-backend-map-max, or remove backends)', backends: 19 });
  });

  it('of more backends than the default hold them', async () => {
    const { client, server } = await open('--bpf-lb-backend-map-max=150000');
    expect(await put(7, request('10.96.0.7', nobody(0, 140_000)))).toEqual({ problem: undefined, backends: 140_000 });
    // What comes next has a place beyond those of the default.
    expect(await put(8, request('10.96.0.8', [server.ipv4]))).toEqual({ problem: undefined, backends: 1 });
    expect(await tcp(client, '10.96.0.8')).toBe('ok');
    await bench.restart();
    expect(await tcp(client, '10.96.0.8')).toBe('ok');
    expect((await bench.client.healthz()).services).toEqual({ state: 'Ok' });
  }, 120_000);
});
