import { concatBytes, ipBytes, macBytes, viewOf } from './bytes.ts';
import { internetChecksum } from './checksum.ts';
import type { Layer } from './layer.ts';
import { summed } from './transport.ts';

/** Fields of an ICMP or ICMPv6 message; `id` and `sequence` fill the second word of echo messages. */
export interface IcmpFields {
  readonly type: number;
  readonly code?: number;
  readonly id?: number;
  readonly sequence?: number;
  /** The second word as a whole (an MTU, a pointer, flags), instead of id and sequence. */
  readonly rest?: number;
  readonly checksum?: number;
}

function icmpHeader(fields: IcmpFields): Uint8Array {
  const header = new Uint8Array(8);
  const view = viewOf(header);
  view.setUint8(0, fields.type);
  view.setUint8(1, fields.code ?? 0);
  if (fields.rest !== undefined) view.setUint32(4, fields.rest);
  else {
    view.setUint16(4, fields.id ?? 0);
    view.setUint16(6, fields.sequence ?? 0);
  }
  return header;
}

/** An ICMP message (RFC 792): 8 request, 0 reply, 3 unreachable, 11 time exceeded, … */
export function icmp(fields: IcmpFields): Layer {
  return {
    protocol: 1,
    build: (inner) => {
      const message = concatBytes(icmpHeader(fields), inner);
      viewOf(message).setUint16(2, fields.checksum ?? internetChecksum(message));
      return message;
    },
  };
}

/** An ICMPv6 message (RFC 4443): 128 request, 129 reply, 1 unreachable, 2 too big, 3 time exceeded, … */
export function icmpv6(fields: IcmpFields): Layer {
  return {
    protocol: 58,
    build: (inner, context) => summed(concatBytes(icmpHeader(fields), inner), { offset: 2, protocol: 58, given: fields.checksum }, context),
  };
}

/** Fields of a neighbour solicitation (135) or advertisement (136), RFC 4861 §4.3 and §4.4. */
export interface NeighbourFields {
  readonly target: string;
  /** The link-layer address option: source for a solicitation, target for an advertisement. */
  readonly linkLayer?: string;
  /** Router, solicited, override bits of an advertisement; default solicited + override. */
  readonly flags?: number;
}

/** A neighbour solicitation with its source link-layer address option. */
export function neighbourSolicitation(fields: NeighbourFields): Layer {
  return neighbour(135, 1, 0, fields);
}

/** A neighbour advertisement with its target link-layer address option. */
export function neighbourAdvertisement(fields: NeighbourFields): Layer {
  return neighbour(136, 2, fields.flags ?? 0x6000_0000, fields);
}

function neighbour(type: number, option: number, rest: number, fields: NeighbourFields): Layer {
  const options = fields.linkLayer === undefined ? new Uint8Array(0) : concatBytes(Uint8Array.of(option, 1), macBytes(fields.linkLayer));
  return icmpv6With({ type, rest }, concatBytes(ipBytes(fields.target, 6), options));
}

/** A router solicitation (133) without options. */
export function routerSolicitation(): Layer {
  return icmpv6With({ type: 133, rest: 0 }, new Uint8Array(0));
}

/** A router advertisement (134) that claims to be a default router for half an hour. */
export function routerAdvertisement(): Layer {
  return icmpv6With({ type: 134, rest: (64 << 24) | 1800 }, new Uint8Array(8));
}

/** A version 2 multicast listener report (143) that joins one group (RFC 3810 §5.2). */
export function multicastListenerReport(group: string): Layer {
  return icmpv6With({ type: 143, rest: 1 }, concatBytes(Uint8Array.of(4, 0, 0, 0), ipBytes(group, 6)));
}

function icmpv6With(fields: IcmpFields, body: Uint8Array): Layer {
  const layer = icmpv6(fields);
  return { ...layer, build: (inner, context) => layer.build(concatBytes(body, inner), context) };
}
