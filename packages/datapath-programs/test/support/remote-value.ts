import { encodeBytes } from '@cilium-ts/bpf-maps';
import { remote } from '@cilium-ts/datapath-layout';

/** An element of cilium_remotes that is the same whatever the epoch. */
export function remoteValue(identity: number, flags = 0): Uint8Array {
  const half = { identity, flags };
  return encodeBytes(remote, { half: [half, half] });
}
