import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBench, withServices } from '../support/bench.ts';
import type { Bench } from '../support/bench.ts';

let bench: Bench;
beforeEach(async () => { bench = await openBench('crash', withServices()); });
afterEach(() => bench[Symbol.asyncDispose]());

const COUNT = 1000;
const frontend = (at: number): string => `10.96.${at >> 8}.${at & 255}`;
/** Backends of a service in a generation of the file: nobody else ever has them. */
const backends = (at: number, generation: number): string[] => [1, 2].map((each) => `10.${generation + 1}.${at >> 8}.${at & 255}`.replace(/^10\./, `${10 + each}.`));

const file = (generation: number): string =>
  Array.from({ length: COUNT }, (_, at) => `apiVersion: v1
kind: Service
metadata: {name: s${at}}
spec: {clusterIP: ${frontend(at)}, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s${at}-1, labels: {kubernetes.io/service-name: s${at}}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [${backends(at, generation).map((ip) => `{addresses: [${ip}]}`).join(', ')}]
`).join('---\n');

/** What the kernel holds: each frontend with the backends that new connections may get. */
const inKernel = async (): Promise<Record<string, string>> =>
  Object.fromEntries((await bench.client.listBpfServices()).filter(({ id }) => id !== 0).map(({ frontend: { ip }, backends: held }) => [ip, held.filter(({ share }) => share > 0).map(({ ip: backend }) => backend).sort().join()]));
const expected = (generation: number): Record<string, string> => Object.fromEntries(Array.from({ length: COUNT }, (_, at) => [frontend(at), backends(at, generation).sort().join()]));

describe('kill -9 in the middle of an update of 1,000 services', () => {
  it.each([1, 10, 30, 80])('%s ms in: a restart brings each service to exactly its own backends, with the number it had', async (delay) => {
    await bench.serviceFile('all.yaml', file(0));
    await expect.poll(inKernel, { timeout: 30_000, interval: 100 }).toEqual(expected(0));
    const ids = async () => new Map((await bench.client.listServices()).map(({ spec }) => [spec['frontend-address'].ip, spec.id]));
    const before = await ids();
    // It is dead so much later than the moment in which the update has been worked out and is about to be written.
    await bench.restart({ flags: [`--service-dir=${bench.node.folders.services}`, `--failpoint=services-compiled:2+${delay}`] });
    await bench.serviceFile('all.yaml', file(1));
    await expect(bench.agent.exited).resolves.toMatchObject({ signal: 'SIGKILL' });
    await bench.restart();
    await expect.poll(inKernel, { timeout: 30_000, interval: 100 }).toEqual(expected(1));
    expect(await ids()).toEqual(before);
  });
});
