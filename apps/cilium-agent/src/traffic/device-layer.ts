import { detachNodePrograms, detachXdp, xdpDevices } from '@cilium-ts/datapath-programs';

/** One kind of programs on the devices towards the outside. */
export interface DeviceLayer {
  /** Makes the devices that run them these. */
  become(devices: readonly number[]): void;
  close(): Promise<void> | void;
}

/** What a layer does to devices. */
export interface DeviceLayerDeps {
  attach(ifindex: number): void;
  detach(ifindex: number): boolean;
  /** Devices that this or a former run attached to. */
  known(): Iterable<number>;
  close(): Promise<void> | void;
}

/** A layer on no device yet. */
export const createDeviceLayer = ({ attach, detach, known, close }: DeviceLayerDeps): DeviceLayer => {
  const attached = new Set<number>();
  return {
    become(devices) {
      for (const ifindex of devices) {
        if (attached.has(ifindex)) continue;
        attach(ifindex);
        attached.add(ifindex);
      }
      for (const ifindex of new Set([...known(), ...attached])) {
        if (devices.includes(ifindex)) continue;
        detach(ifindex);
        attached.delete(ifindex);
      }
    },
    close,
  };
};

/** What former runs with other settings left attached; `devices` are those that they wrote down. */
export const leftOnDevices = (bpfRoot: string, devices: readonly number[]) => ({
  removeNodePrograms: (): void => { for (const ifindex of devices) detachNodePrograms(bpfRoot, ifindex); },
  removeXdp: (): void => { for (const ifindex of xdpDevices(bpfRoot)) detachXdp(bpfRoot, ifindex); },
});
