import { hostCidr } from '@cilium-ts/core';
import type { IpCache } from '@cilium-ts/identity';
import type { AddressChange } from './name-index.ts';

/** Name of the resource under which names give labels to addresses. */
const RESOURCE = 'fqdn';

/**
 * Tells an ipcache which labels addresses have from now on. Pods, nodes and whatever else is inside of the cluster keep
 * their identities: the ipcache lets names select addresses outside only.
 */
export function feedIpCache(ipcache: IpCache, changes: readonly Pick<AddressChange, 'address' | 'labels'>[]): void {
  for (const { address, labels } of changes) {
    const prefix = hostCidr(address);
    if (labels.size === 0) ipcache.remove(prefix, RESOURCE);
    else ipcache.upsert({ prefix, resource: RESOURCE, source: 'generated', labels });
  }
}
