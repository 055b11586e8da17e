import { createRequire } from 'node:module';
import { arch } from 'node:process';
import { fileURLToPath } from 'node:url';

import { NetlinkError } from './error.ts';

/** An open packet socket inside the addon; only the addon can look into it. */
export interface NativePacketSocket {
  readonly packetSocket: unique symbol;
}

/** The functions of native/src, as they are. They throw errors with `code` (errno's name), `errno` and `syscall`. */
export interface NativeAddon {
  runInNamespace(fd: number, run: () => unknown): unknown;
  isNetworkNamespace(fd: number): boolean;
  /** Of the namespace that the calling thread is in. */
  namespaceCookie(): bigint;
  createNamespace(path: string): void;
  deleteNamespace(path: string): void;
  tuneNetlink(protocol: number, port: number, receiveBufferBytes: number): number;
  netlinkDrops(fd: number): number;
  packetOpen(ifindex: number): NativePacketSocket;
  packetSend(socket: NativePacketSocket, frame: Uint8Array): boolean;
  packetReceive(socket: NativePacketSocket): Uint8Array | undefined;
  packetClose(socket: NativePacketSocket): void;
}

let loaded: NativeAddon | undefined;

/** Loads the prebuilt addon on first use. Throws NetlinkError `addon` saying what is missing. */
export const nativeAddon = (): NativeAddon => (loaded ??= load());

const load = (): NativeAddon => {
  // src/ and dist/ are both one level below the package root, where prebuilds/ lies.
  const path = fileURLToPath(new URL(`../prebuilds/linux-${arch}.node`, import.meta.url));
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const remedy = 'the package ships it for x64 and arm64; in a checkout run `node tools/build-native.mjs`';
    throw new NetlinkError('addon', `${why} (${remedy})`, { operation: `load native addon ${path}`, path, cause: error });
  }
};
