import { readSysctl, writeSysctl } from '@cilium-ts/netlink';
import type { HostJournal } from './host-journal.ts';

const name6 = (device: string, key: string): string => `net/ipv6/conf/${device}/${key}`;

/** Sets a sysctl, with its former value in the journal first. Does nothing where it has the value already. */
export const changeSysctl = (journal: HostJournal, name: string, value: string): void => {
  const before = readSysctl(name);
  if (before === undefined || before === value) return;
  // The first value found is the host's own; a later one may be the agent's.
  if (journal.record.sysctls[name] === undefined) journal.update({ sysctls: { ...journal.record.sysctls, [name]: before } });
  writeSysctl(name, value);
};

/**
 * Lets the node forward. With IPv6 forwarding on, the kernel ignores router advertisements unless accept_ra is 2
 * (Documentation/networking/ip-sysctl): devices that took them until now keep doing so, or the node would lose its
 * default route.
 */
export const enableForwarding = (journal: HostJournal, options: { readonly ipv4: boolean; readonly ipv6: boolean; readonly uplinks: readonly string[] }): void => {
  if (options.ipv4) changeSysctl(journal, 'net.ipv4.ip_forward', '1');
  if (!options.ipv6) return;
  for (const device of options.uplinks) keepRouterAdvertisements(journal, device);
  if (readSysctl('net.ipv6.conf.all.forwarding') !== '0') return;
  // Writing "all" writes every device's value too.
  const devices = ['default', ...options.uplinks].map((device) => name6(device, 'forwarding'));
  const before = Object.fromEntries(devices.map((name) => [name, readSysctl(name)] as const).filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
  journal.update({ sysctls: { ...before, ...journal.record.sysctls } });
  changeSysctl(journal, 'net.ipv6.conf.all.forwarding', '1');
};

/** accept_ra 1 becomes 2 on this device. */
export const keepRouterAdvertisements = (journal: HostJournal, device: string): void => {
  const name = name6(device, 'accept_ra');
  if (readSysctl(name) === '1') changeSysctl(journal, name, '2');
};

/** Puts back what the journal says; devices that are gone are passed over. Returns what could not be put back. */
export const restoreSysctls = (record: Readonly<Record<string, string>>): string[] => {
  const failed: string[] = [];
  // "all" writes every device's value, so single devices come after it.
  const names = Object.keys(record).sort((a, b) => Number(b.includes('all')) - Number(a.includes('all')));
  for (const name of names) {
    try {
      if (readSysctl(name) !== undefined) writeSysctl(name, record[name]!);
    } catch (error) {
      failed.push(`${name}: ${(error as Error).message}`);
    }
  }
  return failed;
};
