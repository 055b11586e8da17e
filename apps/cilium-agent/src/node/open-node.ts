import { addressBits, cidrAddress, errorMessage, parseCidr, parseIp } from '@cilium-ts/core';
import type { Cidr, IpAddress, Logger } from '@cilium-ts/core';
import { currentNamespace, openNetlink } from '@cilium-ts/netlink';
import type { Netlink } from '@cilium-ts/netlink';
import type { Settings } from '../config/options.ts';
import { foreignForwardPolicy } from './forward-policy.ts';
import type { HostJournal } from './host-journal.ts';
import { installMasquerade, removeMasquerade } from './masquerade.ts';
import type { MasqueradeOptions } from './masquerade.ts';
import { checkRanges, ensureNodeDevices, NODE_DEVICES } from './node-devices.ts';
import { enableForwarding } from './sysctls.ts';

/** The node's side of everything. */
export interface Node {
  readonly netlink: Netlink;
  readonly namespaceId: string;
  readonly ranges: { readonly ipv4: Cidr | undefined; readonly ipv6: Cidr | undefined };
  readonly routers: { readonly ipv4: IpAddress | undefined; readonly ipv6: IpAddress | undefined };
  /** What nftables masquerades; undefined: nothing. */
  readonly masquerade: MasqueradeOptions | undefined;
  /** Makes devices, routes, rules and settings what they have to be. Returns what an operator should know. */
  prepare(): Promise<string[]>;
  close(): void;
}

const family = (enabled: boolean, range: string, router: string | undefined) => {
  const cidr = enabled ? parseCidr(range)! : undefined;
  return { range: cidr, router: cidr && (router === undefined ? cidrAddress(cidr, cidr.prefixLength >= addressBits(cidr.family) - 1 ? 0 : 1) : parseIp(router)!) };
};

const isUplink = (name: string): boolean => name !== 'lo' && !name.startsWith('lxc') && !(Object.values(NODE_DEVICES) as string[]).includes(name);

/** Opens the node: the namespace this process is in. Nothing is changed before `prepare`. */
export const openNode = (values: Settings, journal: HostJournal, logger: Logger): Node => {
  // A load balancer alone has no endpoints, so no addresses for them and no way to them.
  const endpoints = values.mode !== 'lb-only';
  const four = family(endpoints && values['enable-ipv4'], values['ipv4-range'], values['local-router-ipv4']);
  const six = family(endpoints && values['enable-ipv6'], values['ipv6-range'], values['local-router-ipv6']);
  const netlink = openNetlink();
  using namespace = currentNamespace();
  const ranges = [four.range, six.range].filter((range) => range !== undefined);

  const native = (key: 'ipv4-native-routing-cidr' | 'ipv6-native-routing-cidr', own: Cidr): Cidr[] => [own, ...(values[key] === undefined ? [] : [parseCidr(values[key])!])];

  const masqueradeOptions = (): MasqueradeOptions | undefined => {
    if (values['enable-bpf-masquerade']) return undefined;
    const ipv4 = four.range && values['enable-ipv4-masquerade'] ? native('ipv4-native-routing-cidr', four.range) : undefined;
    const ipv6 = six.range && values['enable-ipv6-masquerade'] ? native('ipv6-native-routing-cidr', six.range) : undefined;
    return ipv4 || ipv6 ? { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) } : undefined;
  };
  const masquerade = masqueradeOptions();

  const prepareMasquerade = async (): Promise<void> => {
    if (masquerade) {
      journal.update({ masquerade: true });
      await installMasquerade(masquerade);
    } else if (journal.record.masquerade && !values['enable-bpf-masquerade']) {
      await removeMasquerade();
      journal.update({ masquerade: false });
    }
  };

  return {
    netlink,
    namespaceId: namespace.id,
    ranges: { ipv4: four.range, ipv6: six.range },
    routers: { ipv4: four.router, ipv6: six.router },
    masquerade,
    async prepare() {
      await checkRanges(netlink, ranges, journal.record.devices[NODE_DEVICES.host]);
      const uplinks = (await netlink.listLinks()).map(({ name }) => name).filter(isUplink);
      enableForwarding(journal, { ipv4: values['enable-ipv4'], ipv6: values['enable-ipv6'], uplinks });
      if (!endpoints) return [];
      const [, , warnings] = await Promise.all([
        ensureNodeDevices(netlink, journal, { ranges, mtu: values.mtu, ...(four.router && { router4: four.router }), ...(six.router && { router6: six.router }) }),
        prepareMasquerade(),
        foreignForwardPolicy().catch((error: unknown) => {
          logger.warn({ error: errorMessage(error) }, 'could not look for foreign FORWARD policies');
          return [];
        }),
      ]);
      return warnings;
    },
    close: () => { netlink.close(); },
  };
};
