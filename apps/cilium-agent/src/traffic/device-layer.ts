import { detachNodePrograms, detachXdp, xdpDevices } from '@cilium-ts/datapath-programs';
import { createProgramKind, createProgramTable } from '../reconcile/attached-programs.ts';
import type { KeptPrograms } from '../reconcile/attached-programs.ts';
import type { Kind } from '../reconcile/keeper.ts';

/** One kind of programs on the devices towards the outside. */
export interface DeviceLayer {
  /** Makes the devices that run them these. */
  become(devices: readonly number[]): void;
  /** The same for who puts back what others take off. */
  readonly kind: Kind<KeptPrograms>;
  close(): Promise<void> | void;
}

/** What a layer does to devices. */
export interface DeviceLayerDeps {
  /** Of what is kept: `node-programs`. */
  readonly name: string;
  isAttached(ifindex: number): boolean;
  attach(ifindex: number): void;
  detach(ifindex: number): boolean;
  /** Devices that this or a former run attached to. */
  known(): Iterable<number>;
  close(): Promise<void> | void;
}

/** A layer on no device yet. */
export const createDeviceLayer = ({ name, isAttached, attach, detach, known, close }: DeviceLayerDeps): DeviceLayer => {
  const attached = new Set<number>();
  const desired = createProgramTable(name);
  return {
    become(devices) {
      for (const ifindex of devices) {
        if (attached.has(ifindex)) continue;
        attach(ifindex);
        attached.add(ifindex);
        desired.upsert({ key: String(ifindex), what: `${name} of device ${ifindex}`, place: ifindex });
      }
      for (const ifindex of new Set([...known(), ...attached])) {
        if (devices.includes(ifindex)) continue;
        desired.delete(String(ifindex));
        detach(ifindex);
        attached.delete(ifindex);
      }
    },
    kind: createProgramKind(desired, { name, isAttached, attach }),
    close,
  };
};

/** What former runs with other settings left attached; `devices` are those that they wrote down. */
export const leftOnDevices = (bpfRoot: string, devices: readonly number[]) => ({
  removeNodePrograms: (): void => { for (const ifindex of devices) detachNodePrograms(bpfRoot, ifindex); },
  removeXdp: (): void => { for (const ifindex of xdpDevices(bpfRoot)) detachXdp(bpfRoot, ifindex); },
});
