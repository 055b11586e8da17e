export type { Brand } from './brand.ts';
export { compareBytes, concatBytes, equalBytes, maskBits, parseHex, sameBits, toHex } from './bytes.ts';
export type { Cidr } from './cidr.ts';
export {
  addressBits,
  cidrAddress,
  cidrContains,
  cidrOf,
  cidrSize,
  compareCidr,
  hostCidr,
  parseCidr,
} from './cidr.ts';
export type { Closeable, DisposalStack } from './disposal.ts';
export { createDisposalStack } from './disposal.ts';
export type { CiliumErrorOptions } from './error.ts';
export { CiliumError, errorCode, errorMessage } from './error.ts';
export type { IpAddress } from './ip.ts';
export { compareIp, equalIp, ipFromBytes, ipFromKey16, ipToKey16, parseIp } from './ip.ts';
export type { LogFields, Logger } from './logger.ts';
export { silentLogger } from './logger.ts';
export type { MacAddress } from './mac.ts';
export { macFromBytes, parseMac } from './mac.ts';
export { suggest } from './suggest.ts';
