import { ipToKey16, parseIp, type IpAddress } from '@cilium-ts/core';
import { createLoadBalancer, defineService, DEFAULT_HASH_SEED, parseHashSeed, type Algorithm, type LoadBalancer, type Protocol } from '@cilium-ts/loadbalancer';
import { tcp, udp } from '@cilium-ts/testkit';
import { xdpContext } from 'libbpf-napi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openServices } from '../../src/services/open.ts';
import { DEVICE, NODE } from './sandbox.ts';
import { FAMILIES, frame, openScene, type Family, type Scene } from './scene.ts';

/** Of each family and algorithm. */
const FLOWS = 26_000;
const BACKENDS = 60;
const VIPS = { 4: '198.51.100.', 6: '2001:db8:6::' } as const;

const ip = (text: string): IpAddress => parseIp(text)!;
const CLIENTS = { 4: (index: number) => `203.0.${112 + (index >> 8)}.${index & 255}`, 6: (index: number) => `2001:db8:77::${(index + 1).toString(16)}` };
/** Every backend of a service has an address of its own: all that shows of those whose packets travel within others. */
const backendAddress = (family: Family, service: number, index: number): string => (family === 4 ? `10.9.${service}.${index + 1}` : `fd00:9::${service}:${index + 1}`);

/** Numbers that are the same in every run. */
const numbers = (seed: number) => (below: number): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
};

const balancer = (algorithm: Algorithm): LoadBalancer => {
  const model = createLoadBalancer({ nodeName: 'n', algorithm, maglevTableSize: 251, mode: 'hybrid' });
  model.setNodeAddresses([NODE[4], NODE[6]].map(ip));
  for (const { family } of FAMILIES) for (const protocol of ['TCP', 'UDP'] as Protocol[]) {
    for (let at = 1; at <= 5; at++) {
      const name = `s${family}-${protocol.toLowerCase()}-${at}`;
      const frontend = { kind: 'LoadBalancer', address: ip(`${VIPS[family]}${at}`), port: 80 + at, protocol, portName: 'p' } as const;
      const node = { kind: 'NodePort', address: ip(family === 4 ? '0.0.0.0' : '::'), port: 30_000 + at, protocol, portName: 'p' } as const;
      model.upsertService(name, defineService({ name, frontends: [frontend, node] }));
      model.setEndpoints(name, {
        namespace: 'default', service: name, ports: [{ name: 'p', protocol, port: 8000 + at }],
        endpoints: Array.from({ length: at * (BACKENDS / 5) }, (_, index) => ({ addresses: [ip(backendAddress(family, at, index))], state: 'active' as const, weight: 1 + (index % 3) })),
      });
    }
  }
  return model;
};

interface Target {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
  /** A packet to it; who sends it is filled in. */
  readonly frame: Uint8Array;
}

const targets = (family: Family): Target[] =>
  (['TCP', 'UDP'] as const).flatMap((protocol) => [1, 2, 3, 4, 5].flatMap((at) => ([[`${VIPS[family]}${at}`, 80 + at], [NODE[family], 30_000 + at]] as const).map(([address, port]) => {
    const ports = { sourcePort: 1, destinationPort: port };
    const data = frame(family, [CLIENTS[family](0), address], [protocol === 'TCP' ? tcp({ ...ports, flags: ['syn'] }) : udp(ports)]);
    return { family, protocol, address: ip(address), port, frame: data };
  })));
/** What the kernel does with the flows, run within the node's namespace; what differs from the model, and whom they went to. */
const compare = (scene: Scene, model: LoadBalancer, family: Family) => {
  const random = numbers(family);
  const all = targets(family);
  const clients = Array.from({ length: 512 }, (_, index) => ip(CLIENTS[family](index)));
  const [source, destination, transport, length] = family === 4 ? [26, 30, 34, 4] : [22, 38, 54, 16];
  const program = scene.sandbox.object.program('cil_xdp_entry');
  const nat = scene.sandbox.map('cilium_nat');
  const wrong: string[] = [];
  const seen = new Set<number>();
  for (let done = 0; done < FLOWS; done++) {
    // Ports of translated connections never run short, so that nothing is selected a second time.
    if (done % 4000 === 0) for (const key of [...nat.keys()]) nat.delete(key);
    const target = all[random(all.length)]!;
    const [client, clientPort] = [clients[random(clients.length)]!, 1024 + random(60_000)];
    const view = new DataView(target.frame.buffer, target.frame.byteOffset);
    target.frame.set(ipToKey16(client).subarray(16 - length), source);
    view.setUint16(transport, clientPort);
    const selection = model.select({ client, clientPort, address: target.address, port: target.port, protocol: target.protocol, from: 'outside' });
    if (selection.verdict !== 'backend') throw new Error(`select: ${selection.verdict} for ${target.address.text}`);
    const { dataOut } = program.testRun({ data: target.frame, ctx: xdpContext({ size: target.frame.length, ingressIfindex: DEVICE }), dataOutSize: 256 });
    const got = Buffer.from(dataOut.subarray(destination, destination + length)).toString('hex');
    const { address, port, index } = selection.backend;
    const expected = Buffer.from(ipToKey16(address).subarray(16 - length)).toString('hex');
    // Where the packet travels within another one, its port is the service's still.
    const at = new DataView(dataOut.buffer, dataOut.byteOffset).getUint16(transport + 2);
    if (got !== expected || (target.protocol === 'UDP' && at !== port)) wrong.push(`${target.protocol} ${client.text}:${clientPort} → ${target.address.text}:${target.port}: ${got} ${at}, not ${expected} ${port}`);
    seen.add(index);
  }
  return { wrong: wrong.slice(0, 5), count: wrong.length, backends: seen.size };
};

describe.each(['random', 'maglev'] as const)('select() of the %s algorithm', (algorithm) => {
  let scene: Scene;
  let model: LoadBalancer;
  beforeAll(async () => {
    scene = await openScene({ service_seed: parseHashSeed(DEFAULT_HASH_SEED)!.service, nat_seed: 7, dsr_ipip: 1 });
    model = balancer(algorithm);
    const maps = Object.fromEntries((['cilium_services', 'cilium_backends', 'cilium_service_runs', 'cilium_vips', 'cilium_frontends', 'cilium_source_ranges'] as const).map((name) => [name, scene.sandbox.map(name)]));
    const writer = await openServices({}, maps as Parameters<typeof openServices>[1]);
    const report = await writer.apply({ records: model.records(), nodeAddresses: [NODE[4], NODE[6]].map(ip) });
    expect(report.failures).toEqual([]);
    await writer.settled();
    await writer.close();
  });
  afterAll(() => scene[Symbol.dispose]());

  it.each(FAMILIES)(`and the kernel choose alike for ${FLOWS} flows over IPv$family`, ({ family }) => {
    const { wrong, count, backends } = scene.sandbox.node.run(() => compare(scene, model, family));
    expect({ wrong, count }).toEqual({ wrong: [], count: 0 });
    expect(backends).toBeGreaterThan(300);
  });
});
