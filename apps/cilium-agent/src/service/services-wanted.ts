import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentState } from '../agent-state.ts';

const hasDocuments = (folder: string): boolean => {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.json'));
  } catch {
    return false;
  }
};

const hasEntries = (map: { entries(): Iterable<unknown> }): boolean => {
  for (const _ of map.entries()) return true;
  return false;
};

/** Whether the load balancer is needed from the start: the settings ask for it, or there are services from before. */
export const servicesWanted = ({ config: { values }, datapath }: Pick<AgentState, 'config' | 'datapath'>): boolean =>
  values['service-dir'] !== undefined || values['kube-proxy-replacement'] || values['bpf-lb-sock'] || values.mode === 'lb-only' ||
  hasEntries(datapath.maps.cilium_frontends) || hasDocuments(join(values['state-dir'], 'service-api'));
