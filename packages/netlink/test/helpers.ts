import { rmdirSync } from 'node:fs';

import { parseCidr, parseIp, parseMac } from '@cilium-ts/core';
import type { Cidr, IpAddress, MacAddress } from '@cilium-ts/core';

import { createNamespace, deleteNamespace, openNetlink } from '../src/index.ts';
import type { Namespace, Netlink } from '../src/index.ts';

/** Fresh namespaces in a folder of their own, all removed by `close`. */
export interface Scratch {
  readonly folder: string;
  namespace(name: string): Namespace;
  netlink(namespace: Namespace): Netlink;
  close(): void;
}

let count = 0;

export const createScratch = (): Scratch => {
  const folder = `/run/ct-netlink-${process.pid}-${count++}`;
  const undo: (() => void)[] = [];
  const namespace = (name: string): Namespace => {
    const opened = createNamespace(`${folder}/${name}`);
    undo.push(() => {
      opened.close();
      deleteNamespace(opened.path);
    });
    return opened;
  };
  const netlink = (netns: Namespace): Netlink => {
    const opened = openNetlink({ netns });
    undo.push(() => opened.close());
    return opened;
  };
  const close = (): void => {
    undo.splice(0).reverse().forEach((step) => step());
    rmdirSync(folder);
  };
  return { folder, namespace, netlink, close };
};

/** Waits for the carrier, which the kernel announces from a work queue; until then a device drops what it is given. */
export const untilRunning = async (netlink: Netlink, name: string): Promise<void> => {
  while ((await netlink.getLink(name))!.operationalState !== 'up');
};

const known = <T>(value: T | undefined, text: string): T => {
  if (value === undefined) throw new Error(`bad test value ${text}`);
  return value;
};

export const ip = (text: string): IpAddress => known(parseIp(text), text);
export const cidr = (text: string): Cidr => known(parseCidr(text), text);
export const mac = (text: string): MacAddress => known(parseMac(text), text);
