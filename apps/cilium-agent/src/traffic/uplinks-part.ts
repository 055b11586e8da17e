import { parseCidr } from '@cilium-ts/core';
import type { Cidr } from '@cilium-ts/core';
import { detachNodePrograms, openNodePrograms } from '@cilium-ts/datapath-programs';
import type { NodePrograms } from '@cilium-ts/datapath-programs';
import type { Composed } from '../compose-state.ts';
import type { Settings } from '../config/options.ts';
import type { Part } from '../lifecycle/part.ts';
import { drainMasquerade } from '../node/drain-masquerade.ts';
import type { MasqueradeDrain } from '../node/drain-masquerade.ts';
import { parseIpMasqConfig } from '../node/ip-masq-config.ts';
import { datapathOptions } from '../start-agent.ts';
import { readFileIfThere } from '../state/atomic-file.ts';
import { createUplinkWatch } from './uplink-watch.ts';

/** Whether there are programs on the devices towards the outside. */
export const uplinksWanted = (values: Settings): boolean => values.mode === 'lb-only' || values['kube-proxy-replacement'] || values['enable-bpf-masquerade'];

/** Destinations that see endpoints' own addresses. */
const exclusions = async (values: Settings, ranges: readonly Cidr[]): Promise<Cidr[]> => {
  const native = [values['ipv4-native-routing-cidr'], values['ipv6-native-routing-cidr']].flatMap((text) => (text === undefined ? [] : [parseCidr(text)!]));
  const path = values['ip-masq-agent-config-path'];
  const listed = values['enable-ip-masq-agent'] ? parseIpMasqConfig(await readFileIfThere(path), path) : [];
  return [...ranges, ...native, ...listed];
};

const masqueradeOf = (values: Settings) => ({
  ipv4: values['enable-bpf-masquerade'] && values['enable-ipv4'] && values['enable-ipv4-masquerade'],
  ipv6: values['enable-bpf-masquerade'] && values['enable-ipv6'] && values['enable-ipv6-masquerade'],
});

/**
 * The programs on the devices towards the outside: services for clients there, and masquerade. They are attached while
 * the settings say so and stay when the agent stops; the first start without takes them off.
 */
export const uplinksPart = ({ state: { config: { values }, traffic }, opened, logger }: Composed): Part => {
  const { node, journal } = opened;
  const ranges = [node.ranges.ipv4, node.ranges.ipv6].filter((range) => range !== undefined);
  const watch = createUplinkWatch(node.netlink, { named: values.devices, logger });
  const attached = new Set<number>();
  let drain: MasqueradeDrain | undefined;

  /** Each device is written down before anything is attached to it. */
  const bringUp = async (programs: NodePrograms): Promise<void> => {
    const uplinks = await watch.list();
    const before = new Set([...journal.record.uplinks, ...programs.linkedDevices()]);
    const now = uplinks.map(({ ifindex }) => ifindex);
    const added = uplinks.filter(({ ifindex }) => !attached.has(ifindex));
    journal.update({ uplinks: [...new Set([...before, ...now])] });
    await programs.setDevices(uplinks.map(({ ifindex, ipv4, ipv6 }) => ({ ifindex, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }), masquerade: masqueradeOf(values) })));
    for (const { ifindex, name } of added) {
      programs.attach(ifindex);
      attached.add(ifindex);
      logger.info({ device: name }, 'device towards the outside');
    }
    for (const ifindex of before) {
      if (now.includes(ifindex)) continue;
      programs.detach(ifindex);
      attached.delete(ifindex);
    }
    if (now.join() !== journal.record.uplinks.join()) journal.update({ uplinks: now });
    traffic.uplinks = { programs, devices: uplinks };
  };

  const takeDown = (): void => {
    for (const ifindex of journal.record.uplinks) detachNodePrograms(values['bpf-root'], ifindex);
    if (journal.record.uplinks.length > 0) journal.update({ uplinks: [] });
  };

  return {
    name: 'uplinks',
    async start() {
      if (!uplinksWanted(values)) {
        takeDown();
        return;
      }
      const programs = await openNodePrograms({ logger }, datapathOptions(values));
      traffic.uplinks = { programs, devices: [] };
      await programs.setMasqueradeExclusions(await exclusions(values, ranges));
      await bringUp(programs);
      if (values['enable-bpf-masquerade'] && journal.record.masquerade) {
        traffic.drain = drain = await drainMasquerade(ranges, { logger, done: () => { journal.update({ masquerade: false }); } });
      }
      watch.watch(() => bringUp(programs));
    },
    stop() {
      watch.close();
      drain?.close();
      traffic.uplinks?.programs.close();
      traffic.uplinks = undefined;
      traffic.drain = undefined;
    },
  };
};
