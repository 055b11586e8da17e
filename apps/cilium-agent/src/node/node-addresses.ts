import { errorMessage, hostCidr, parseIp } from '@cilium-ts/core';
import type { IpAddress, Logger } from '@cilium-ts/core';
import { labelSet } from '@cilium-ts/identity';
import type { Families, IpCache } from '@cilium-ts/identity';
import type { Address, Netlink } from '@cilium-ts/netlink';

/** Keeps the ipcache's host entries those addresses that the node has. */
export interface NodeAddresses {
  /** Reads all addresses; called once before anything is published, and after lost events. */
  read(): Promise<void>;
  /** Follows changes; `changed` is called after those that matter. */
  watch(changed: () => void): void;
  /** Addresses of the node as text. */
  has(ip: string): boolean;
  /** All of them. */
  all(): IpAddress[];
  close(): void;
}

const RESOURCE = 'node';
const HOST = labelSet(['reserved:host']);

/** Every address of the node, link-local ones included, is the host's; several devices may have the same one. */
export const createNodeAddresses = (netlink: Netlink, ipcache: IpCache, options: { readonly families: Families; readonly logger: Logger }): NodeAddresses => {
  const { families, logger } = options;
  const holders = new Map<string, Set<number>>();
  const watch = netlink.watchAddresses();

  const relevant = ({ address }: Address): boolean => (address.family === 4 ? families.ipv4 : families.ipv6);

  const add = (record: Address): boolean => {
    const { address, link } = record;
    if (!relevant(record)) return false;
    const links = holders.get(address.text);
    if (links) {
      links.add(link);
      return false;
    }
    holders.set(address.text, new Set([link]));
    ipcache.upsert({ prefix: hostCidr(address), resource: RESOURCE, source: 'local', labels: HOST });
    return true;
  };

  const remove = ({ address, link }: Address): boolean => {
    const links = holders.get(address.text);
    if (!links?.delete(link) || links.size > 0) return false;
    holders.delete(address.text);
    return ipcache.remove(hostCidr(address), RESOURCE);
  };

  const read = async (): Promise<void> => {
    const found = (await netlink.listAddresses()).filter(relevant);
    const keys = new Set(found.map(({ address, link }) => `${address.text} ${link}`));
    for (const record of found) add(record);
    for (const [text, links] of [...holders]) {
      for (const link of [...links]) if (!keys.has(`${text} ${link}`)) links.delete(link);
      if (links.size > 0) continue;
      holders.delete(text);
      ipcache.remove(hostCidr(parseIp(text)!), RESOURCE);
    }
  };

  return {
    read,
    watch(changed) {
      const follow = async (): Promise<void> => {
        for await (const event of watch) {
          if (event.kind === 'overrun') {
            await read();
            changed();
          } else if (event.kind === 'new' ? add(event.record) : remove(event.record)) {
            changed();
          }
        }
      };
      follow().catch((error: unknown) => { logger.error({ error: errorMessage(error) }, 'watching addresses ended'); });
    },
    has: (ip) => holders.has(ip),
    all: () => [...holders.keys()].map((text) => parseIp(text)!),
    close: () => { watch.close(); },
  };
};
