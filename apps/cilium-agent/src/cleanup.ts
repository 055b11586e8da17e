import { errorMessage, parseCidr } from '@cilium-ts/core';
import type { Logger } from '@cilium-ts/core';
import { cleanupDatapath, detachSockets } from '@cilium-ts/datapath-programs';
import { openNetlink } from '@cilium-ts/netlink';
import type { Netlink } from '@cilium-ts/netlink';
import { existsSync, rmSync } from 'node:fs';
import type { Settings } from './config/options.ts';
import { AgentError } from './error.ts';
import { checkRequirements } from './lifecycle/requirements.ts';
import { lockBpfRoot } from './lock/bpf-lock.ts';
import { lockNetworkNamespace } from './lock/namespace-lock.ts';
import { lockStateFolder } from './lock/state-lock.ts';
import { openHostJournal } from './node/host-journal.ts';
import { removeMasquerade } from './node/masquerade.ts';
import { removeNodeDevices } from './node/node-devices.ts';
import { runTool } from './node/run-tool.ts';
import { restoreSysctls } from './node/sysctls.ts';
import { createDocumentFolder } from './state/document-folder.ts';
import { EndpointRecord } from './state/schemas.ts';
import { leftOnDevices } from './traffic/device-layer.ts';

const removeEndpoints = async (netlink: Netlink, stateDir: string): Promise<number> => {
  const { documents } = await createDocumentFolder({ folder: `${stateDir}/endpoints`, asideFolder: `${stateDir}/set-aside`, schema: EndpointRecord }).load();
  for (const { device } of documents.values()) {
    const link = await netlink.getLink(device.name);
    if (link?.index === device.index) await netlink.deleteLink(link.index);
  }
  // Devices whose record was lost carry the agent's alias.
  for (const { index, alias } of await netlink.listLinks({ kind: 'veth' })) if (/^cilium endpoint \d+/.test(alias ?? '')) await netlink.deleteLink(index);
  return documents.size;
};

/**
 * Removes everything an agent with these settings made: endpoints' devices, its own, rules, maps, programs, state; and
 * puts back what it changed. Run in the agent's network namespace, with no agent running. May be repeated. Throws
 * AgentError `locked` while an agent runs, `failed` naming everything that could not be removed.
 */
export const cleanup = async (values: Settings, logger: Logger): Promise<void> => {
  checkRequirements();
  const stateDir = values['state-dir'];
  const failures: string[] = [];
  const attempt = async (what: string, run: () => unknown): Promise<void> => {
    try {
      await run();
      logger.info({}, what);
    } catch (error) {
      failures.push(`${what}: ${errorMessage(error)}`);
    }
  };
  const stateLock = lockStateFolder(stateDir);
  const namespaceLock = await lockNetworkNamespace(stateDir);
  const bpfLock = existsSync(values['bpf-root']) ? lockBpfRoot(values['bpf-root']) : undefined;
  const journal = openHostJournal(stateDir, logger);
  const { record } = journal;
  using netlink = openNetlink();
  await attempt("remove endpoints' devices", () => removeEndpoints(netlink, stateDir));
  await attempt("take programs off the devices towards the outside", () => {
    const left = leftOnDevices(values['bpf-root'], record.uplinks);
    left.removeXdp();
    left.removeNodePrograms();
  });
  await attempt('stop translating at sockets', () => detachSockets(values['bpf-root']));
  await attempt('remove maps and programs', () => cleanupDatapath({ bpfRoot: values['bpf-root'] }));
  if (record.masquerade) await attempt('remove masquerade rules', removeMasquerade);
  const ranges = record.routes.flatMap((text) => parseCidr(text) ?? []);
  await attempt("remove the node's devices", () => removeNodeDevices(netlink, { devices: record.devices, ranges }));
  await attempt('restore sysctls', () => { failures.push(...restoreSysctls(record.sysctls)); });
  const mount = record.bpffsMount;
  if (mount !== undefined) await attempt(`unmount ${mount}`, () => runTool('umount', [mount], { action: 'unmount the BPF file system' }));
  rmSync(values['socket-path'], { force: true });
  bpfLock?.release();
  namespaceLock.release();
  stateLock.release();
  if (failures.length > 0) throw new AgentError('failed', `clean up: ${failures.join('; ')}. What is done is done; run it again when that is resolved.`);
  if (existsSync(stateDir)) rmSync(stateDir, { recursive: true });
};
