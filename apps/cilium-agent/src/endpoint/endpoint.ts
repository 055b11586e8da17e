import type { EndpointState, EndpointStatusChange } from '@cilium-ts/agent-api';
import { macFromBytes, parseIp, parseMac } from '@cilium-ts/core';
import type { IpAddress, MacAddress } from '@cilium-ts/core';
import type { Identity } from '@cilium-ts/identity';
import { createHash, randomBytes } from 'node:crypto';
import type { EndpointRecord } from '../state/schemas.ts';
import type { EndpointLabels } from './labels.ts';

/** What became of the last attempt to put an endpoint's policy in force. */
export interface PolicyFailure {
  readonly reason: string;
  readonly effect: 'kept-old-policy' | 'locked-down' | 'not-published';
  readonly message: string;
}

/** State of the endpoint's device on the node's side. */
export type DeviceState = 'up' | 'down' | 'gone';

/** An endpoint as the agent knows it. Immutable: a change makes a new one. */
export interface Endpoint {
  readonly id: number;
  readonly slot: number;
  readonly record: EndpointRecord;
  readonly labels: EndpointLabels;
  readonly identity: Identity;
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
  readonly mac: MacAddress;
  readonly hostMac: MacAddress;
  /** IFLA_LINK_NETNSID of the host end; -1 while unknown. */
  readonly netnsId: number;
  readonly state: EndpointState;
  readonly device: DeviceState;
  /** Is it in the datapath? Not before its device exists, and not once it is being taken away. */
  readonly installed: boolean;
  /** Revision of the policy repository that is in force; 0: none. */
  readonly realizedRevision: number;
  readonly enforced: { readonly ingress: boolean; readonly egress: boolean };
  /** Why it is locked down on purpose: a policy that may concern it can not be read. */
  readonly lockdown: string | undefined;
  readonly failure: PolicyFailure | undefined;
  readonly log: readonly EndpointStatusChange[];
}

/** Entries of an endpoint's history that are kept (Cilium keeps 256). */
const LOG_LENGTH = 128;

/** The endpoint in another state, with a line in its history. */
export const withState = (endpoint: Endpoint, state: EndpointState, message: string, code: 'ok' | 'failed' = 'ok'): Endpoint => ({
  ...endpoint,
  state,
  log: [...endpoint.log.slice(1 - LOG_LENGTH), { timestamp: new Date().toISOString(), code, message, state }],
});

/** An endpoint out of its record. */
export const endpointFromRecord = (record: EndpointRecord, known: { readonly labels: EndpointLabels; readonly identity: Identity; readonly state: EndpointState }): Endpoint => ({
  id: record.id,
  slot: record.slot,
  record,
  labels: known.labels,
  identity: known.identity,
  ipv4: record.ipv4 === undefined ? undefined : parseIp(record.ipv4),
  ipv6: record.ipv6 === undefined ? undefined : parseIp(record.ipv6),
  mac: parseMac(record.device.containerMac)!,
  hostMac: parseMac(record.device.mac)!,
  netnsId: -1,
  state: known.state,
  device: 'up',
  installed: false,
  realizedRevision: 0,
  enforced: { ingress: false, egress: false },
  lockdown: undefined,
  failure: undefined,
  log: [],
});

/** A random locally administered unicast address. */
export const randomMac = (): MacAddress => {
  const bytes = Uint8Array.from(randomBytes(6));
  bytes[0] = (bytes[0]! & 0xfc) | 0x02;
  return macFromBytes(bytes);
};

/** Name of an endpoint's host end: `lxc` and twelve hexadecimal digits, as long as a device's name may be. */
export const hostDeviceName = (id: number, netnsId: string): string => `lxc${createHash('sha256').update(`${id} ${netnsId}`).digest('hex').slice(0, 12)}`;

/** Whether an endpoint's options ask for audit: report what policy would drop, but let it pass. */
export const auditOption = (options: Readonly<Record<string, string>>): boolean => options['PolicyAuditMode'] === 'Enabled';
