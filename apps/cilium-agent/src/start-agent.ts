import { createDisposalStack } from '@cilium-ts/core';
import type { DisposalStack, Logger } from '@cilium-ts/core';
import { openDatapath } from '@cilium-ts/datapath-programs';
import type { Datapath } from '@cilium-ts/datapath-programs';
import { worldIdentity } from '@cilium-ts/identity';
import type { Config } from './config/load-config.ts';
import type { Settings } from './config/options.ts';
import { mapSizes, nameSizeSetting } from './config/map-sizes.ts';
import { checkRequirements } from './lifecycle/requirements.ts';
import { lockBpfRoot } from './lock/bpf-lock.ts';
import { lockNetworkNamespace } from './lock/namespace-lock.ts';
import { lockStateFolder } from './lock/state-lock.ts';
import { serviceConfig } from './service/service-config.ts';
import { ensureBpfRoot } from './node/bpffs.ts';
import { openHostJournal } from './node/host-journal.ts';
import type { HostJournal } from './node/host-journal.ts';

/** A running agent. */
export interface Agent {
  /** Stops; the datapath stays in force. */
  stop(): Promise<void>;
}

/** What an agent is started with. Everything it opens is closed by the stack. */
export interface AgentStart {
  readonly config: Config;
  readonly logger: Logger & { setDebug(on: boolean): void };
  readonly stack: DisposalStack;
}

/** What everything else stands on: the locks are held, and the kernel is being loaded. */
export interface Foundation {
  readonly startTime: Date;
  readonly journal: HostJournal;
  readonly datapath: Promise<Datapath>;
}

/** The programs' configuration and the maps' sizes, from the settings: the same for all objects, which share maps. */
export const datapathOptions = (values: Settings): Parameters<typeof openDatapath>[1] => {
  const families = { ipv4: values['enable-ipv4'], ipv6: values['enable-ipv6'] };
  return {
    bpfRoot: values['bpf-root'],
    config: {
      worldIpv4: worldIdentity(4, families), worldIpv6: worldIdentity(6, families),
      timeoutTcp: Math.ceil(values['bpf-ct-timeout-regular-tcp']), timeoutTcpSyn: Math.ceil(values['bpf-ct-timeout-regular-tcp-syn']),
      timeoutTcpFin: Math.ceil(values['bpf-ct-timeout-regular-tcp-fin']), timeoutAny: Math.ceil(values['bpf-ct-timeout-regular-any']),
      eventsWakeup: Math.max(1024, values['bpf-events-size'] / 4), enableIpv4: Number(families.ipv4), enableIpv6: Number(families.ipv6),
      ...serviceConfig(values),
    },
    sizes: mapSizes(values),
  };
};

const layFoundation = async ({ config: { values }, logger, stack }: AgentStart): Promise<Foundation> => {
  const startTime = new Date();
  checkRequirements();
  const stateDir = values['state-dir'];
  const stateLock = lockStateFolder(stateDir);
  stack.defer(() => { stateLock.release(); });
  const namespaceLock = await lockNetworkNamespace(stateDir);
  stack.defer(() => { namespaceLock.release(); });
  const journal = openHostJournal(stateDir, logger);
  ensureBpfRoot(values['bpf-root'], journal);
  const bpfLock = lockBpfRoot(values['bpf-root']);
  stack.defer(() => { bpfLock.release(); });
  const datapath = openDatapath({ logger }, { ...datapathOptions(values), endpoints: values.mode !== 'lb-only' }).catch(nameSizeSetting);
  // Whoever waits for it hears of a failure; if something else fails before, nobody waits.
  datapath.catch(() => undefined);
  stack.defer(async () => (await datapath.catch(() => undefined))?.close());
  return { startTime, journal, datapath };
};

/** Starts the agent; resolves when everything restored is in force and the API listens. Throws AgentError; then nothing runs. */
export const startAgent = async (config: Config, logger: AgentStart['logger']): Promise<Agent> => {
  const stack = createDisposalStack();
  try {
    const foundation = await layFoundation({ config, logger, stack });
    // The verifier works on a thread of its own; meanwhile the rest of the agent is read.
    const { bringUp } = await import('./agent.ts');
    await bringUp(foundation, { config, logger, stack });
  } catch (error) {
    await stack.close();
    throw error;
  }
  return { stop: () => stack.close() };
};
