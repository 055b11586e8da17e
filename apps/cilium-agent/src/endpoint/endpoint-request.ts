import type { EndpointChangeRequest } from '@cilium-ts/agent-api';
import { cidrAddress, cidrContains, cidrSize, parseIp, parseMac } from '@cilium-ts/core';
import type { Cidr, IpAddress, MacAddress } from '@cilium-ts/core';
import { NetlinkError, openNamespace } from '@cilium-ts/netlink';
import type { Namespace } from '@cilium-ts/netlink';
import { AgentError } from '../error.ts';

const OPTIONS: Readonly<Record<string, readonly string[]>> = { PolicyAuditMode: ['Enabled', 'Disabled'] };

/** Name of the device in the endpoint, unless the request says otherwise. */
export const DEFAULT_CONTAINER_DEVICE = 'eth0';

const refuse = (message: string, cause?: unknown): AgentError => new AgentError('invalid', `create endpoint: ${message}`, { cause });

/** Opens the namespace to attach. Throws AgentError `invalid` if there is none, or if it is the node's own. */
export const openEndpointNamespace = (path: string, nodeNamespaceId: string): Namespace => {
  let namespace: Namespace;
  try {
    namespace = openNamespace(path);
  } catch (cause) {
    const code = cause instanceof NetlinkError ? cause.code : undefined;
    if (code === 'not-found') throw refuse(`there is no network namespace ${path.includes('/') ? path : `/run/netns/${path}`}. Give a path, or a name as \`ip netns list\` shows it.`, cause);
    throw refuse((cause as Error).message, cause);
  }
  if (namespace.id === nodeNamespaceId) {
    namespace.close();
    throw refuse(`the namespace ${path} is the node's own. What shares the node's network is identified as host and can not be an endpoint.`);
  }
  return namespace;
};

const unusable = (ip: IpAddress): string | undefined => {
  const [first = 0, second = 0] = ip.bytes;
  if (ip.bytes.every((byte) => byte === 0)) return 'it is the unspecified address';
  if (ip.family === 4) {
    if (first === 127) return 'it is a loopback address';
    if (first >= 224) return 'it is a multicast or broadcast address';
    if (first === 169 && second === 254) return 'it is a link-local address';
    return undefined;
  }
  if (first === 0xff) return 'it is a multicast address';
  if (first === 0xfe && (second & 0xc0) === 0x80) return 'it is a link-local address';
  if (ip.bytes.subarray(0, 15).every((byte) => byte === 0)) return 'it is the loopback address';
  if (ip.bytes.subarray(0, 10).every((byte) => byte === 0) && ip.bytes[10] === 0xff && ip.bytes[11] === 0xff) return 'it is an IPv4 address in IPv6 form';
  return undefined;
};

/** Reads an address that the request asks for. Throws AgentError `invalid`. */
export const requestedAddress = (text: string | undefined, family: 4 | 6, node: { readonly enabled: boolean; readonly range: Cidr }): IpAddress | undefined => {
  if (text === undefined) return undefined;
  const ip = parseIp(text);
  if (ip?.family !== family) throw refuse(`addressing.ipv${family} is ${JSON.stringify(text)}, which is no IPv${family} address`);
  if (!node.enabled) throw refuse(`addressing.ipv${family} is given, but IPv${family} is off (--enable-ipv${family}=false)`);
  const why = unusable(ip) ?? (isEdge(ip, node.range) ? `it is the first or last address of ${node.range.text}` : undefined);
  if (why !== undefined) throw refuse(`addressing.ipv${family} is ${ip.text}, but ${why}`);
  return ip;
};

const isEdge = (ip: IpAddress, range: Cidr): boolean => {
  if (range.prefixLength >= (range.family === 4 ? 31 : 127) || !cidrContains(range, ip)) return false;
  return ip.text === range.address.text || (range.family === 4 && ip.text === cidrAddress(range, cidrSize(range) - 1n).text);
};

/** Reads a MAC address that the request asks for. Throws AgentError `invalid`. */
export const requestedMac = (text: string | undefined): MacAddress | undefined => {
  if (text === undefined) return undefined;
  const mac = parseMac(text);
  if (!mac) throw refuse(`mac is ${JSON.stringify(text)}, which is no MAC address`);
  if ((mac.bytes[0]! & 1) !== 0 || mac.bytes.every((byte) => byte === 0)) throw refuse(`mac is ${mac.text}, which no single device can have`);
  return mac;
};

/** Checks an endpoint's options. Throws AgentError `invalid` naming those understood. */
export const checkOptions = (options: Readonly<Record<string, string>> | undefined): void => {
  for (const [name, value] of Object.entries(options ?? {})) {
    const allowed = OPTIONS[name];
    if (!allowed) throw new AgentError('invalid', `read options: there is no option ${name}; known: ${Object.keys(OPTIONS).join(', ')}`);
    if (!allowed.includes(value)) throw new AgentError('invalid', `read options: ${name} is ${JSON.stringify(value)}, but has to be one of ${allowed.join(', ')}`);
  }
};

/** The pod's name as `namespace/name`, from whichever of the fields are given. */
export const podNameOf = (request: EndpointChangeRequest, namespace: string): string | undefined => {
  const name = request['k8s-pod-name'] ?? request['container-name'];
  return name === undefined ? undefined : `${namespace}/${name}`;
};
