import type { Cidr, IpAddress } from '@cilium-ts/core';
import { parseCidr, parseIp } from '@cilium-ts/core';
import type { Field } from '@cilium-ts/manifest';

/** The address in a field, or `undefined` and an issue. Loopback addresses are for frontends of the node's own processes only (`hostIP`). */
export function readAddress(text: string, field: Field, { loopback = false }: { readonly loopback?: boolean } = {}): IpAddress | undefined {
  const address = parseIp(text);
  if (address === undefined) {
    field.report({ code: 'invalid-value', message: `${JSON.stringify(text)} is not an IP address`, remedy: 'write an IPv4 or IPv6 address without prefix length, zone or leading zeros' });
    return undefined;
  }
  if (isServiceAddress(address) || (loopback && isLoopback(address))) return address;
  const message = `${address.text} is not an address that packets can be sent to`;
  field.report({ code: 'invalid-value', message, remedy: 'write an address that is neither unspecified, loopback nor multicast' });
  return undefined;
}

/** The addresses in a list; those that are none are reported. */
export function readAddresses(texts: readonly string[] | null | undefined, field: Field): readonly IpAddress[] {
  return (texts ?? []).flatMap((text, index) => readAddress(text, field.child(index)) ?? []);
}

/** The prefixes in a list; those that are none are reported. */
export function readCidrs(texts: readonly string[] | null | undefined, field: Field): readonly Cidr[] {
  const found = new Map<string, Cidr>();
  (texts ?? []).forEach((text, index) => {
    // Kubernetes tolerates space around them.
    const cidr = parseCidr(text.trim());
    if (cidr !== undefined) found.set(cidr.text, cidr);
    else field.child(index).report({ code: 'invalid-value', message: `${JSON.stringify(text)} is not a prefix of addresses`, remedy: 'write it as address/length, such as 10.0.0.0/8 or fd00::/8' });
  });
  return [...found.values()];
}

/**
 * Whether a service or a backend may have the address. Not a loopback one: whoever asks would get to something of its own,
 * whatever listens there for nobody else.
 */
export function isServiceAddress(address: IpAddress): boolean {
  const { family, bytes } = address;
  if (bytes.every((byte) => byte === 0) || isLoopback(address)) return false;
  return family === 4 ? bytes[0]! < 224 : bytes[0] !== 0xff;
}

function isLoopback({ family, bytes }: IpAddress): boolean {
  return family === 4 ? bytes[0] === 127 : bytes.every((byte, at) => byte === (at === 15 ? 1 : 0));
}
