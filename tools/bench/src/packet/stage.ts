import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openDatapath, type Datapath } from '@cilium-ts/datapath-programs';
import { METRIC_REASON, DROP_REASON } from '@cilium-ts/datapath-layout';
import type { EventReaderReport } from './event-reader.ts';
import { balancerOf } from '../lb/balancer.ts';
import { serviceSet, type BenchService } from '../lb/service-set.ts';
import { writeServices } from '../lb/socket-services.ts';
import { establish, ROTATION } from './flow-table.ts';
import type { Pod } from './pods.ts';
import { desiredState, PORTS, SIZES } from './state.ts';

/** A loaded datapath, its maps as full as those of a busy node. */
export interface Stage extends AsyncDisposable {
  readonly datapath: Datapath;
  /** Throws when packets met another fate than the cases meant, or events were lost. */
  check(): Promise<void>;
}

interface StageOptions {
  readonly wrapper: string;
  readonly bpfRoot: string;
  readonly client: Pod;
  readonly server: Pod;
  /** Report events, to a reader in a process of its own on the other CPU; else none are made. */
  readonly observed: boolean;
  /** Ten thousand services, one of which leads from this address to the server on ports that it serves. Default: none. */
  readonly service?: Pod;
}

/** Loads the shipped programs and fills their maps. */
export async function openStage({ wrapper, bpfRoot, client, server, observed, service }: StageOptions): Promise<Stage> {
  const events = observed ? 1 : 0;
  const datapath = await openDatapath({}, { bpfRoot, config: { eventsDrop: events, eventsVerdict: events, eventsTrace: events } });
  const { failures } = await datapath.apply(desiredState(client, server));
  if (failures[0] !== undefined) throw new Error(`filling the maps failed: ${failures[0].message}`);
  await datapath.settled();
  const reader = observed ? await startReader(join(bpfRoot, 'cilium_events')) : undefined;
  const shared = { wrapper, program: datapath.programs.fromContainer, client, server };
  if (service === undefined) {
    await establish({ ...shared, family: 4, destinationPort: PORTS.allowed, count: ROTATION.ports });
    await establish({ ...shared, family: 4, destinationPort: PORTS.alsoAllowed, count: SIZES.flows - ROTATION.ports - 1 });
    await establish({ ...shared, family: 6, destinationPort: PORTS.allowed, count: 1 });
  } else {
    await writeServices(await datapath.services(), balancerOf(servicesBeside(service, server)));
    // A flow to a service has two entries, and those that are opened while it is measured need room too.
    await establish({ ...shared, family: 4, destinationPort: PORTS.alsoAllowed, count: ROTATION.ports });
    await establish({ ...shared, service, family: 4, destinationPort: PORTS.allowed, count: SERVICE_FLOWS });
  }
  return {
    datapath,
    check: async () => {
      checkMetrics(datapath);
      await reader?.check();
    },
    [Symbol.asyncDispose]: async () => {
      reader?.kill();
      await datapath.close();
    },
  };
}

const SERVICE_FLOWS = 10_000;
const SERVICES = 10_000;

/** Ten thousand services; the last ones are those that are used. */
function servicesBeside(service: Pod, server: Pod): BenchService[] {
  const used = [PORTS.allowed, PORTS.fresh].map((port): BenchService => ({ name: `used-${port}`, address: service.ipv4.text, port, backends: [{ address: server.ipv4.text, port }] }));
  return [...serviceSet({ count: SERVICES - used.length, prefix: '172.31', backend: server.ipv4.text, backendPort: PORTS.allowed }).services, ...used];
}

/** All packets were forwarded or denied by policy, and the ring had room for every event: nothing else was measured. */
function checkMetrics(datapath: Datapath): void {
  const expected: readonly number[] = [METRIC_REASON.FORWARDED, DROP_REASON.POLICY];
  for (const { reason, reasonText, packets } of datapath.metrics()) {
    if (packets > 0n && !expected.includes(reason)) throw new Error(`measuring packets: ${packets} met an unexpected end: ${reasonText}`);
  }
}

async function startReader(ring: string): Promise<{ check: () => Promise<void>; kill: () => void }> {
  const child = spawn('taskset', ['-c', '0', process.execPath, process.argv[1] ?? '', 'event-reader', ring], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  return {
    check: async () => {
      child.stdin.end();
      const [text] = (await once(lines, 'line')) as [string];
      const { read, lost } = JSON.parse(text) as EventReaderReport;
      // What its own queue could not hold cost the packets nothing; what the kernel's ring could not hold is in the metrics.
      console.error(`packets: the reader got ${read} events, and ${lost} too many for its queue`);
      if (read === 0) throw new Error('measuring packets: the reader got no event');
    },
    kill: () => child.kill(),
  };
}
