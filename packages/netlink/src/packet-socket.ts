import { NetlinkError, systemError } from './error.ts';
import { openNamespace } from './namespace/namespace.ts';
import type { Namespace } from './namespace/namespace.ts';
import { nativeAddon } from './native.ts';
import type { IfIndex } from './wire/values.ts';

/** A frame that passed a device. */
export interface Frame {
  /** From the Ethernet header on. */
  readonly bytes: Uint8Array;
  /** `outgoing`: sent by this machine, through this very socket included. */
  readonly type: FrameType;
}

/** PACKET_* of linux/if_packet.h, in their order. */
const FRAME_TYPES = ['host', 'broadcast', 'multicast', 'other-host', 'outgoing'] as const;
export type FrameType = (typeof FRAME_TYPES)[number];

/** An AF_PACKET socket on one device: sends and sees whole Ethernet frames. */
export interface PacketSocket extends Disposable {
  /** Sends a frame as it is; false if the device's queue was full. */
  send(frame: Uint8Array): boolean;
  /** The frames that came since the last call, up to `limit` (1,024 if absent); never waits. */
  receive(limit?: number): readonly Frame[];
  close(): void;
}

export interface PacketSocketOptions {
  readonly link: IfIndex;
  /** Namespace of the device, open or by name or path; the calling thread's own if absent. */
  readonly netns?: Namespace | string | undefined;
}

const DEFAULT_LIMIT = 1024;

/** Opens a packet socket; up to 4 MiB of frames wait in it. Needs CAP_NET_RAW and CAP_NET_ADMIN. Throws NetlinkError. */
export const openPacketSocket = (options: PacketSocketOptions): PacketSocket => {
  const { link, netns } = options;
  const addon = nativeAddon();
  const operation = `open packet socket on link ${link}`;
  const attempt = <T>(what: string, run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw systemError(error, { operation: what });
    }
  };
  const socket = attempt(operation, () => inNamespace(netns, () => addon.packetOpen(link)));
  let open = true;
  const checked = <T>(what: string, run: () => T): T => {
    if (!open) throw new NetlinkError('closed', 'the packet socket is closed', { operation: what });
    return attempt(what, run);
  };
  const close = (): void => {
    if (open) addon.packetClose(socket);
    open = false;
  };
  return {
    send: (frame) => checked(`send frame on link ${link}`, () => addon.packetSend(socket, frame)),
    receive: (limit = DEFAULT_LIMIT) =>
      checked(`receive frames on link ${link}`, () => {
        const frames: Frame[] = [];
        while (frames.length < limit) {
          const received = addon.packetReceive(socket);
          if (received === undefined) break;
          // The addon puts the packet type in front of the frame.
          frames.push({ type: FRAME_TYPES[received[0]!] ?? 'other-host', bytes: received.subarray(1) });
        }
        return frames;
      }),
    close,
    [Symbol.dispose]: close,
  };
};

/** Sends one frame through a socket opened for it. */
export const sendFrame = (options: PacketSocketOptions, frame: Uint8Array): boolean => {
  using socket = openPacketSocket(options);
  return socket.send(frame);
};

const inNamespace = <T>(netns: Namespace | string | undefined, run: () => T): T => {
  if (netns === undefined) return run();
  if (typeof netns !== 'string') return netns.run(run);
  using opened = openNamespace(netns);
  return opened.run(run);
};
