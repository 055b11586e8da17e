/** An address as family and number. */
interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

function readAddress(text: string): Address {
  if (!text.includes(':')) {
    const value = text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
    return { family: 4, value };
  }
  const [head = '', tail] = text.split('::');
  const words = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const first = words(head);
  const last = tail === undefined ? [] : words(tail);
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  const all = tail === undefined ? first : [...first, ...zeros, ...last];
  return { family: 6, value: all.reduce((sum, word) => sum * 65536n + BigInt(`0x${word}`), 0n) };
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** Whether the prefix (or bare address) holds the address. */
export function holds(prefix: string, address: string): boolean {
  const [base = '', length] = prefix.split('/');
  const network = readAddress(base);
  const tested = readAddress(address);
  if (network.family !== tested.family) return false;
  const bits = network.family === 4 ? 32 : 128;
  const shift = BigInt(bits - (length === undefined ? bits : Number(length)));
  return network.value >> shift === tested.value >> shift;
}

/** A prefix without its exceptions. */
export interface Block {
  readonly cidr: string;
  readonly except?: readonly string[];
}

/**
 * Whether blocks mean somebody inside of the cluster, where they are read strictly: an allowance only one who is nowhere
 * else, a denial everyone who is there too.
 */
export function blocksMean(blocks: readonly Block[], deny: boolean, addresses: readonly string[]): boolean {
  const held = (address: string): boolean => blocks.some(({ cidr, except = [] }) => anyHeld([cidr], except, [address]));
  return deny ? addresses.some(held) : addresses.length > 0 && addresses.every(held);
}

/** Whether any of the prefixes holds any of the addresses, and no exception holds that address. */
export function anyHeld(prefixes: readonly string[], except: readonly string[], addresses: readonly string[]): boolean {
  return addresses.some((address) => prefixes.some((prefix) => holds(prefix, address)) && !except.some((prefix) => holds(prefix, address)));
}
