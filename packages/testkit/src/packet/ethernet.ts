import { concatBytes, ipBytes, macBytes, viewOf } from './bytes.ts';
import type { Layer } from './layer.ts';

/** An Ethernet header; the EtherType follows the next layer unless given. */
export interface EthernetFields {
  readonly source: string;
  readonly destination: string;
  readonly etherType?: number;
}

/** An Ethernet II header of 14 bytes. */
export function ethernet(fields: EthernetFields): Layer {
  return {
    build: (inner, { next }) => {
      const type = new Uint8Array(2);
      viewOf(type).setUint16(0, fields.etherType ?? next?.etherType ?? 0);
      return concatBytes(macBytes(fields.destination), macBytes(fields.source), type, inner);
    },
  };
}

/** An 802.1Q (0x8100) or 802.1ad (0x88a8) tag. */
export function vlan(fields: { readonly id: number; readonly priority?: number; readonly tpid?: number; readonly etherType?: number }): Layer {
  return {
    etherType: fields.tpid ?? 0x8100,
    build: (inner, { next }) => {
      const tag = new Uint8Array(4);
      const view = viewOf(tag);
      view.setUint16(0, ((fields.priority ?? 0) << 13) | fields.id);
      view.setUint16(2, fields.etherType ?? next?.etherType ?? 0);
      return concatBytes(tag, inner);
    },
  };
}

/** An ARP message for IPv4 over Ethernet (RFC 826). */
export interface ArpFields {
  readonly operation: 'request' | 'reply' | number;
  readonly senderMac: string;
  readonly senderIp: string;
  /** Default 00:00:00:00:00:00. */
  readonly targetMac?: string;
  readonly targetIp: string;
}

/** The 28 bytes of an ARP message. */
export function arp(fields: ArpFields): Layer {
  return {
    etherType: 0x0806,
    build: (inner) => {
      const head = new Uint8Array(8);
      const view = viewOf(head);
      view.setUint16(0, 1);
      view.setUint16(2, 0x0800);
      view.setUint8(4, 6);
      view.setUint8(5, 4);
      view.setUint16(6, fields.operation === 'request' ? 1 : fields.operation === 'reply' ? 2 : fields.operation);
      return concatBytes(
        head,
        macBytes(fields.senderMac),
        ipBytes(fields.senderIp, 4),
        macBytes(fields.targetMac ?? '00:00:00:00:00:00'),
        ipBytes(fields.targetIp, 4),
        inner,
      );
    },
  };
}
