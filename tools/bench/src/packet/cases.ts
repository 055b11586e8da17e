import { join } from 'node:path';
import { flowKeys, ROTATION, type PortRange } from './flow-table.ts';
import { BURST, type PacketCase } from './measure.ts';
import { UNIT } from './packet-benchmarks.ts';
import { createPods, segment, type Pod, type Segment } from './pods.ts';
import { openStage, type Stage } from './stage.ts';
import { PORTS } from './state.ts';
import { wrapProgram, type WrappedPacket } from './wrapped-program.ts';

/** Verdicts of tc (linux/pkt_cls.h). */
export const TC_ACT = { shot: 2, redirect: 7 } as const;

/** Who sends to whom. */
export interface Scene {
  readonly wrapper: string;
  readonly client: Pod;
  readonly server: Pod;
}

/** All cases, and what must be closed after them. */
export interface Cases extends AsyncDisposable {
  readonly cases: readonly PacketCase[];
  check(): Promise<void>;
}

/** Sets up two datapaths, one that reports events and one that does not, and everything to be measured on them. */
export async function buildCases({ wrapper, bpffs }: { wrapper: string; bpffs: string }): Promise<Cases> {
  const scene: Scene = { wrapper, ...createPods() };
  const quiet = await openStage({ ...scene, bpfRoot: join(bpffs, 'quiet'), observed: false });
  const observed = await openStage({ ...scene, bpfRoot: join(bpffs, 'observed'), observed: true });
  const cases = [
    await unit(scene),
    await established('packet/established-local', scene, quiet, { family: 4, ports: 1 }),
    await established('packet/established-local-v6', scene, quiet, { family: 6, ports: 1 }),
    await established('packet/established-local-50k-flows', scene, quiet, { family: 4, ports: ROTATION.ports }),
    await newFlow('packet/new-flow-local', scene, quiet),
    await drop('packet/policy-drop', scene, quiet, 1),
    await drop('packet/policy-drop-new-flows', scene, quiet, ROTATION.ports),
    await newFlow('packet/new-flow-observed', scene, observed),
    await drop('packet/policy-drop-observed', scene, observed, 1),
  ];
  return {
    cases,
    check: async () => {
      await quiet.check();
      await observed.check();
    },
    [Symbol.asyncDispose]: async () => {
      disposeCases(cases);
      await quiet[Symbol.asyncDispose]();
      await observed[Symbol.asyncDispose]();
    },
  };
}

/** Closes the programs of cases. */
export function disposeCases(cases: readonly PacketCase[]): void {
  for (const { program, empty, dispose } of cases) {
    dispose?.();
    program[Symbol.dispose]();
    empty[Symbol.dispose]();
  }
}

/** A packet of the client's. */
export const fromClient = ({ client, server }: Scene, rest: Pick<Segment, 'family' | 'destinationPort' | 'flags'>): Uint8Array =>
  segment({ from: client, to: server, sourcePort: ROTATION.first, ...rest });

/** The unit of the ratios. */
export async function unit(scene: Scene): Promise<PacketCase> {
  const wrapped: WrappedPacket = { packet: fromClient(scene, { family: 4, destinationPort: PORTS.allowed, flags: ['ack'] }), ifindex: scene.client.ifindex };
  return { name: UNIT, program: await wrapProgram(scene.wrapper, 'lookup', wrapped), empty: await wrapProgram(scene.wrapper, 'noop', wrapped), verdict: 1 };
}

async function established(name: string, scene: Scene, stage: Stage, { family, ports }: { family: 4 | 6; ports: number }): Promise<PacketCase> {
  const packet = fromClient(scene, { family, destinationPort: PORTS.allowed, flags: ['ack'] });
  return pair(name, scene, stage, { packet, ports, verdict: TC_ACT.redirect });
}

async function drop(name: string, scene: Scene, stage: Stage, ports: number): Promise<PacketCase> {
  const packet = fromClient(scene, { family: 4, destinationPort: PORTS.refused, flags: ['syn'] });
  return pair(name, scene, stage, { packet, ports, verdict: TC_ACT.shot });
}

/** Every packet of a burst opens a flow. Those of the burst before are deleted first, so that the table has room. */
export async function newFlow(name: string, scene: Scene, stage: Stage): Promise<PacketCase> {
  const packet = fromClient(scene, { family: 4, destinationPort: PORTS.fresh, flags: ['syn'] });
  const base = await pair(name, scene, stage, { packet, ports: BURST, verdict: TC_ACT.redirect });
  const made = madeFlows(name, stage, { clientPorts: { first: ROTATION.first, count: BURST }, entries: 1 });
  return { ...base, prepare: made.remove, verify: made.verify };
}

/**
 * Every packet of a burst is the server's first answer to one that opened a flow through the service, off the clock. Their
 * ports are others than newFlow()'s.
 */
export async function answer(name: string, scene: Scene, stage: Stage, server: Pod): Promise<PacketCase> {
  const { client, wrapper } = scene;
  const first = ROTATION.first + BURST;
  const syn: WrappedPacket = { packet: fromClient(scene, { family: 4, destinationPort: PORTS.fresh, flags: ['syn'] }), ifindex: client.ifindex, ports: BURST, firstPort: first };
  const packet = segment({ from: server, to: client, family: 4, sourcePort: PORTS.fresh, destinationPort: first, flags: ['syn', 'ack'] });
  const base = await pair(name, scene, stage, { packet, ports: BURST, firstPort: first, rotate: 'destination', verdict: TC_ACT.redirect, ifindex: server.ifindex });
  const opening = await wrapProgram(wrapper, stage.datapath.programs.fromContainer, syn);
  const made = madeFlows(name, stage, { clientPorts: { first, count: BURST }, entries: 2 });
  return {
    ...base,
    prepare: () => {
      made.remove();
      opening.burst(BURST);
    },
    verify: made.verify,
    dispose: () => opening[Symbol.dispose](),
  };
}

/** The flows that a burst makes, so many entries for each packet: removed before the next one, and counted. */
function madeFlows(name: string, { datapath }: Stage, { clientPorts, entries }: { clientPorts: PortRange; entries: number }): { remove: () => void; verify: () => void } {
  const flows = datapath.maps.cilium_flows;
  let made: { keys: Uint8Array; count: number } | undefined;
  return {
    remove: () => {
      if (made !== undefined) flows.deleteBatch(made.keys, made.count);
    },
    verify: () => {
      // Each burst uses the same ports, so the keys need to be collected only once; then their presence is enough.
      made ??= flowKeys(flows, PORTS.fresh, clientPorts);
      const last = made.keys.subarray((made.count - 1) * flows.keySize, made.count * flows.keySize);
      if (made.count !== BURST * entries || flows.lookup(last) === undefined) throw new Error(`measuring ${name}: ${made.count} flows were made by ${BURST} packets`);
    },
  };
}

/** A packet through the shipped program; the client's, unless another device is named. */
export async function pair(name: string, { wrapper, client }: Scene, { datapath }: Stage, spec: PairSpec): Promise<PacketCase> {
  const { packet, ports, ifindex = client.ifindex, firstPort = ROTATION.first, rotate = 'source' } = spec;
  const wrapped: WrappedPacket = { packet, ifindex, ports, firstPort, rotate };
  return {
    name,
    program: await wrapProgram(wrapper, datapath.programs.fromContainer, wrapped),
    empty: await wrapProgram(wrapper, 'noop', wrapped),
    verdict: spec.verdict,
  };
}

interface PairSpec {
  readonly packet: Uint8Array;
  readonly ports: number;
  readonly verdict: number;
  readonly ifindex?: number;
  readonly firstPort?: number;
  readonly rotate?: 'source' | 'destination';
}
