import type { FlowEntry } from '@cilium-ts/datapath-layout';
import type { Layer } from '@cilium-ts/testkit';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { A, B, datagram, frame, HOST, IDENTITY, REMOTE, segment, type Family } from './frames.ts';
import { OPEN, Sandbox } from './sandbox.ts';
import { Services } from './services.ts';

export const VIP = { 4: '172.20.0.10', 6: 'fd20::10' } as const;
export const OTHER_VIP = { 4: '172.20.0.11', 6: 'fd20::11' } as const;
export const LOOPBACK = { 4: '169.254.42.1', 6: '100::a9fe:2a01' } as const;
export const [TCP, UDP, SCTP] = [6, 17, 132];
export const PORT = 80;
export const BACKEND_PORT = 8080;

export let sandbox: Sandbox;
export let services: Services;

/** Two pods, the host and a remote network; services and flows are cleared before each test. */
export function useServices(): void {
  beforeAll(async () => {
    sandbox = await Sandbox.open();
    services = new Services(sandbox);
    await sandbox.addPod(A);
    await sandbox.addPod(B);
    for (const family of [4, 6] as const) {
      sandbox.addRemote(`${HOST[family]}/${family === 4 ? 32 : 128}`, IDENTITY.host, 1);
      sandbox.addRemote(`${REMOTE[family]}/${family === 4 ? 24 : 64}`, IDENTITY.remote);
    }
  });
  afterAll(() => sandbox.close());
  beforeEach(() => {
    sandbox.register(A, OPEN);
    sandbox.register(B, OPEN);
    sandbox.clearFlows();
    services.clear();
  });
}

/** What a pod gets or sends on: routed once by its own node. */
export function delivered(family: Family, to: typeof A | typeof B, addresses: readonly [string, string], ...layers: readonly Layer[]): Uint8Array {
  return frame(family, addresses, layers, { mac: to.hostMac, gateway: to.mac, ip: { ttl: 63, hopLimit: 63 } });
}

/** Bytes in a form that failures show well. */
export const bytes = (data: Uint8Array): string => Buffer.from(data).toString('hex');
/** Which side of a service each entry of the flow table is. */
export const sides = (): (string | undefined)[] => sandbox.flows().map((flow: FlowEntry) => flow.service?.side).sort();
/** Lets more than one tick of the flow clock go by. */
export const wait = (): void => sandbox.age(2);

/** What holds for TCP and UDP alike: a packet of a flow, its first, and the first answer. */
export const PROTOCOLS = [
  { name: 'TCP', protocol: TCP, layer: (from: number, to: number) => segment(from, to, 'ack'), first: (from: number, to: number) => segment(from, to, 'syn'), answer: (from: number, to: number) => segment(from, to, 'syn', 'ack') },
  { name: 'UDP', protocol: UDP, layer: datagram, first: datagram, answer: datagram },
] as const;
