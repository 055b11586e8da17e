import { join } from 'node:path';
import { answer, disposeCases, fromClient, newFlow, pair, TC_ACT, unit, type Cases, type Scene } from './cases.ts';
import { ROTATION } from './flow-table.ts';
import type { PacketCase } from './measure.ts';
import { createPods, segment, serviceFor } from './pods.ts';
import { LOCAL_BESIDE_SERVICES } from './service-packet-benchmarks.ts';
import { openStage } from './stage.ts';
import { PORTS } from './state.ts';
import { openXdpStage, XDP_TX, type XdpStage, type Forwarding } from './xdp-stage.ts';
import { wrapProgram } from './wrapped-program.ts';

/** Connections that the packets of established ones go through in turn. */
const ESTABLISHED = 32;

/** Packets to services: at the sender's device, and before the stack of a load balancer. */
export async function buildServiceCases({ wrapper, bpffs }: { wrapper: string; bpffs: string }): Promise<Cases> {
  const pods = createPods();
  const { client, server } = pods;
  const service = serviceFor(server);
  const direct: Scene = { wrapper, ...pods };
  const viaService: Scene = { wrapper, client, server: service };
  const stage = await openStage({ ...direct, bpfRoot: join(bpffs, 'services'), observed: false, service });
  const xdp = await openXdpStage({ wrapper, bpfRoot: join(bpffs, 'before-the-stack') });
  // Many in turn: what one of them costs depends on where its entry happens to lie in the caches, run by run.
  const established = { ports: ESTABLISHED, verdict: TC_ACT.redirect };
  const reply = segment({ from: server, to: client, family: 4, sourcePort: PORTS.allowed, destinationPort: ROTATION.first, flags: ['ack'] });
  const cases = [
    await unit(direct),
    await pair(LOCAL_BESIDE_SERVICES, direct, stage, { ...established, packet: fromClient(direct, { family: 4, destinationPort: PORTS.alsoAllowed, flags: ['ack'] }) }),
    await pair('packet/clusterip-established', viaService, stage, { ...established, packet: fromClient(viaService, { family: 4, destinationPort: PORTS.allowed, flags: ['ack'] }) }),
    await pair('packet/clusterip-reply', direct, stage, { ...established, packet: reply, ifindex: server.ifindex, rotate: 'destination' }),
    await newFlow('packet/clusterip-new', viaService, stage),
    await answer('packet/clusterip-answer', viaService, stage, server),
    await xdpCase('packet/xdp-snat-maglev-established', wrapper, xdp, 'snat'),
    await xdpCase('packet/xdp-dsr-ipip-established', wrapper, xdp, 'dsr'),
  ];
  return {
    cases,
    check: () => stage.check(),
    [Symbol.asyncDispose]: async () => {
      disposeCases(cases);
      await xdp[Symbol.asyncDispose]();
      await stage[Symbol.asyncDispose]();
    },
  };
}

async function xdpCase(name: string, wrapper: string, stage: XdpStage, forwarding: Forwarding): Promise<PacketCase> {
  const wrapped = stage.established(forwarding);
  return { name, program: await wrapProgram(wrapper, stage.program, wrapped), empty: await wrapProgram(wrapper, 'noop', wrapped), verdict: XDP_TX };
}
