import { parseCidr } from '@cilium-ts/core';
import type { Cidr, Logger } from '@cilium-ts/core';
import { openNodePrograms, openXdp } from '@cilium-ts/datapath-programs';
import { randomInt } from 'node:crypto';
import type { Composed } from '../compose-state.ts';
import type { Settings } from '../config/options.ts';
import type { Part } from '../lifecycle/part.ts';
import { drainMasquerade } from '../node/drain-masquerade.ts';
import { parseIpMasqConfig } from '../node/ip-masq-config.ts';
import { datapathOptions } from '../start-agent.ts';
import { readFileIfThere } from '../state/atomic-file.ts';
import { createDeviceLayer, leftOnDevices } from './device-layer.ts';
import type { DeviceLayer } from './device-layer.ts';
import type { Traffic } from './traffic.ts';
import { createUplinkWatch } from './uplink-watch.ts';

/** Whether there are programs on the devices towards the outside: those of the stack, and the one before it. */
export const nodeProgramsWanted = (values: Settings): boolean => values.mode === 'lb-only' || values['kube-proxy-replacement'] || values['enable-bpf-masquerade'];
export const xdpWanted = (values: Settings): boolean => values['enable-xdp-prefilter'] || values['bpf-lb-acceleration'] !== 'disabled';

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

/** What the layers work with. */
interface LayersInput {
  readonly values: Settings;
  readonly traffic: Traffic;
  readonly ranges: readonly Cidr[];
  /** Devices written down. */
  readonly linked: () => readonly number[];
  readonly logger: Logger;
}

/** Loads what the settings ask for into `layers`, and attaches nothing yet. */
const openLayers = async (layers: DeviceLayer[], { values, traffic, ranges, linked, logger }: LayersInput): Promise<void> => {
  const { config, ...places } = datapathOptions(values);
  // What ports of translated connections are derived from: both programs have to find the same.
  const options = { ...places, config: { ...config, natSeed: randomInt(2 ** 32) } };
  if (nodeProgramsWanted(values)) {
    const programs = await openNodePrograms({ logger }, options);
    traffic.nodePrograms = programs;
    traffic.guards.open(programs);
    await programs.setMasqueradeExclusions(await exclusions(values, ranges));
    layers.push(createDeviceLayer({
      name: 'node-programs', isAttached: (ifindex) => programs.isAttached(ifindex), attach: (ifindex) => { programs.attach(ifindex); }, detach: (ifindex) => programs.detach(ifindex),
      known: () => [...linked(), ...programs.linkedDevices()], close: () => { programs.close(); },
    }));
  }
  if (!xdpWanted(values)) return;
  const xdp = await openXdp({ logger }, options);
  const mode = values['bpf-lb-acceleration'] === 'disabled' ? 'best-effort' : values['bpf-lb-acceleration'];
  traffic.xdp = xdp;
  layers.push(createDeviceLayer({
    name: 'xdp-programs', isAttached: (ifindex) => xdp.attached().some((each) => each.ifindex === ifindex), attach: (ifindex) => { xdp.attach(ifindex, mode); }, detach: (ifindex) => xdp.detach(ifindex),
    known: () => xdp.linkedDevices(), close: () => xdp.close(),
  }));
};

/**
 * The programs on the devices towards the outside: services for clients there, masquerade, the prefilter. They are
 * attached while the settings say so and stay when the agent stops; the first start without takes them off.
 */
export const uplinksPart = ({ state: { config: { values }, traffic, repairs }, opened: { node, journal }, logger }: Composed): Part => {
  const ranges = [node.ranges.ipv4, node.ranges.ipv6].filter((range) => range !== undefined);
  const watch = createUplinkWatch(node.netlink, { named: values.devices, logger });
  const layers: DeviceLayer[] = [];
  const kept: { close(): Promise<void> }[] = [];

  /** Each device is written down before anything is attached to it. */
  const bringUp = async (): Promise<void> => {
    const uplinks = await watch.list();
    const now = uplinks.map(({ ifindex }) => ifindex);
    journal.update({ uplinks: [...new Set([...journal.record.uplinks, ...now])] });
    await traffic.nodePrograms?.setDevices(uplinks.map(({ ifindex, ipv4, ipv6 }) => ({ ifindex, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }), masquerade: masqueradeOf(values) })));
    for (const layer of layers) layer.become(now);
    if (now.join() !== journal.record.uplinks.join()) journal.update({ uplinks: now });
    const names = uplinks.map(({ name }) => name).join();
    if (names !== traffic.uplinks?.map(({ name }) => name).join()) logger.info({ devices: names }, 'devices towards the outside');
    traffic.uplinks = uplinks;
  };

  return {
    name: 'uplinks',
    async start() {
      const left = leftOnDevices(values['bpf-root'], journal.record.uplinks);
      if (!nodeProgramsWanted(values)) left.removeNodePrograms();
      if (!xdpWanted(values)) left.removeXdp();
      await openLayers(layers, { values, traffic, ranges, linked: () => journal.record.uplinks, logger });
      if (layers.length === 0) {
        if (journal.record.uplinks.length > 0) journal.update({ uplinks: [] });
        return;
      }
      await bringUp();
      if (values['enable-bpf-masquerade'] && journal.record.masquerade) {
        traffic.drain = await drainMasquerade(ranges, { logger, done: () => { journal.update({ masquerade: false }); } });
      }
      watch.watch(bringUp);
      kept.push(...layers.map(({ kind }) => repairs.keep(kind)));
    },
    async stop() {
      watch.close();
      await Promise.all(kept.splice(0).map((each) => each.close()));
      traffic.drain?.close();
      await traffic.guards.close();
      for (const layer of layers.splice(0).reverse()) await layer.close();
      Object.assign(traffic, { nodePrograms: undefined, xdp: undefined, uplinks: undefined, drain: undefined });
    },
  };
};
