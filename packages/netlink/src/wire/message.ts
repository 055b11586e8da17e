import { readAttributes, readString, readU32 } from './attributes.ts';

/** One netlink message as received. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** A request before it is sent: made by the `…Requests` of each family, sent alone or in a batch. */
export interface NetlinkRequest {
  /** What it does, for error messages. */
  readonly operation: string;
  readonly type: number;
  /** Flags beside NLM_F_REQUEST and NLM_F_ACK, which the transport adds. */
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Flags of linux/netlink.h. */
export const Flag = { REQUEST: 0x1, ACK: 0x4, DUMP_INTR: 0x10, DUMP: 0x300, REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, ACK_TLVS: 0x200, CAPPED: 0x100 } as const;

/** Control message types of linux/netlink.h. */
export const Control = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;

const HEADER = 16;

const align = (length: number): number => (length + 3) & ~3;

/** Frames a request: header, payload, padding. */
export const encodeMessage = (request: NetlinkRequest, flags: number, sequence: number): Buffer => {
  const length = HEADER + request.payload.length;
  const message = Buffer.alloc(align(length));
  message.writeUInt32LE(length, 0);
  message.writeUInt16LE(request.type, 4);
  message.writeUInt16LE(request.flags | flags | Flag.REQUEST, 6);
  message.writeUInt32LE(sequence, 8);
  message.set(request.payload, HEADER);
  return message;
};

/** Splits a datagram into its messages. What is cut short at the end is left out. */
export const decodeMessages = (datagram: Buffer): Message[] => {
  const messages: Message[] = [];
  for (let offset = 0; offset + HEADER <= datagram.length; ) {
    const length = datagram.readUInt32LE(offset);
    if (length < HEADER || offset + length > datagram.length) break;
    messages.push({
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      payload: datagram.subarray(offset + HEADER, offset + length),
    });
    offset += align(length);
  }
  return messages;
};

/** The outcome that an ERROR or DONE message carries. */
export interface Acknowledgement {
  /** Positive errno; 0: done. */
  readonly errno: number;
  readonly extendedAck: string | undefined;
  readonly attributeOffset: number | undefined;
  readonly missingAttribute: number | undefined;
}

/** NLMSGERR_ATTR_* of linux/netlink.h. */
const Ack = { MSG: 1, OFFS: 2, MISS_TYPE: 5 } as const;

/** Reads an ERROR or DONE message with its extended acknowledgement. */
export const decodeAcknowledgement = (message: Message): Acknowledgement => {
  const { payload, flags, type } = message;
  const errno = payload.length >= 4 ? -payload.readInt32LE(0) : 0;
  let start = 4;
  if (type === Control.ERROR) {
    // The request's header follows, and the whole request unless NETLINK_CAP_ACK took effect.
    const quoted = payload.length >= 8 && (flags & Flag.CAPPED) === 0 ? align(payload.readUInt32LE(4)) : HEADER;
    start += quoted;
  }
  const attributes = (flags & Flag.ACK_TLVS) !== 0 && payload.length > start ? readAttributes(payload.subarray(start)) : new Map<number, Buffer>();
  return { errno, extendedAck: readString(attributes, Ack.MSG), attributeOffset: readU32(attributes, Ack.OFFS), missingAttribute: readU32(attributes, Ack.MISS_TYPE) };
};
