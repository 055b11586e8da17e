import { parseIp } from '@cilium-ts/core';
import type { DatapathConfig } from '@cilium-ts/datapath-layout';
import type { Settings } from '../config/options.ts';

/** What the programs are told about services. The seed is bytes 4 to 7 of the setting's, as the load balancer's model has it. */
export const serviceConfig = (values: Settings): DatapathConfig => ({
  serviceSeed: Buffer.from(values['bpf-lb-maglev-hash-seed'], 'base64').readUInt32BE(4),
  serviceLoopback: new DataView(parseIp(values['ipv4-service-loopback-address'])!.bytes.slice().buffer).getUint32(0),
  serviceReject: Number(values['service-no-backend-response'] === 'reject'),
  xdpServices: Number(values['bpf-lb-acceleration'] !== 'disabled'),
  dsrIpip: Number(values['bpf-lb-dsr-dispatch'] === 'ipip'),
  sockHostnsOnly: Number(values['bpf-lb-sock-hostns-only']),
  sourceRangeAllTypes: Number(values['bpf-lb-source-range-all-types']),
});
