export { concatBytes, ipBytes, macBytes, payloadBytes, viewOf } from './packet/bytes.ts';
export { crc32c, internetChecksum, transportChecksum, type PseudoHeader } from './packet/checksum.ts';
export { arp, ethernet, vlan, type ArpFields, type EthernetFields } from './packet/ethernet.ts';
export { fragmentIpv4, fragmentIpv6, truncate } from './packet/fragments.ts';
export {
  icmp,
  icmpv6,
  multicastListenerReport,
  neighbourAdvertisement,
  neighbourSolicitation,
  routerAdvertisement,
  routerSolicitation,
  type IcmpFields,
  type NeighbourFields,
} from './packet/icmp.ts';
export { ipv4, type Ipv4Fields } from './packet/ipv4.ts';
export { extension, fragment, ipv6, type Ipv6Fields } from './packet/ipv6.ts';
export { packet, payload, type Layer, type LayerContext } from './packet/layer.ts';
export { parsePacket, type ParsedIp, type ParsedPacket, type ParsedTransport } from './packet/parse.ts';
export { sctp, SCTP_CHUNKS, tcp, TCP_FLAGS, udp, type TcpFields, type TcpFlag } from './packet/transport.ts';
export { readDataFiles, type DataCase } from './data-files.ts';
export { failAfter, faultyMap, type FaultHook } from './faults.ts';
export { createDatapathRig, type DatapathLike, type DatapathRig, type ProgramRun } from './kernel/datapath-rig.ts';
