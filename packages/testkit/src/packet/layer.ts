import type { PseudoHeader } from './checksum.ts';
import { payloadBytes } from './bytes.ts';

/** What a layer may know of its surroundings while it is being built. */
export interface LayerContext {
  /** Addresses of the nearest IP header outside this layer. */
  readonly pseudo: PseudoHeader | undefined;
  /** The layer directly inside this one. */
  readonly next: Layer | undefined;
}

/** One header (or the payload) of a packet. */
export interface Layer {
  /** The EtherType that announces this layer, where there is one. */
  readonly etherType?: number;
  /** The IP protocol or next-header number that announces this layer, where there is one. */
  readonly protocol?: number;
  /** Addresses that inner checksums include. */
  readonly pseudo?: PseudoHeader;
  /** The bytes of this layer around those of the layers inside it. */
  build(inner: Uint8Array, context: LayerContext): Uint8Array;
}

/**
 * Builds a packet from its layers, outermost first. Lengths, next-header numbers and checksums that a
 * layer leaves open are filled in from the layers inside it.
 * @example packet(ethernet({…}), ipv4({…}), tcp({…}), payload('hello'))
 */
export function packet(...layers: readonly Layer[]): Uint8Array {
  let bytes: Uint8Array = new Uint8Array(0);
  for (let index = layers.length - 1; index >= 0; index--) {
    const layer = layers[index];
    if (layer === undefined) continue;
    bytes = layer.build(bytes, { pseudo: nearestPseudo(layers, index), next: layers[index + 1] });
  }
  return bytes;
}

function nearestPseudo(layers: readonly Layer[], below: number): PseudoHeader | undefined {
  for (let index = below - 1; index >= 0; index--) {
    const pseudo = layers[index]?.pseudo;
    if (pseudo !== undefined) return pseudo;
  }
  return undefined;
}

/** Payload: text, bytes, or a number of filler bytes. Also serves for any header given as raw bytes. */
export function payload(data: string | number | Uint8Array, announced: { etherType?: number; protocol?: number } = {}): Layer {
  const bytes = payloadBytes(data);
  return {
    ...announced,
    build: (inner) => {
      const whole = new Uint8Array(bytes.length + inner.length);
      whole.set(bytes);
      whole.set(inner, bytes.length);
      return whole;
    },
  };
}
