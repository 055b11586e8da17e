import type { IpAddress } from '@cilium-ts/core';
import { cidrContains } from '@cilium-ts/core';
import { scopedKey } from '../balancer/restored-ids.ts';
import type { Shared } from '../balancer/shared.ts';
import { wildcardKey } from '../balancer/wildcards.ts';
import { runPosition, serviceHash } from '../hash/service-hash.ts';
import { protocolNumber } from '../model/protocol.ts';
import type { ServiceRecord } from '../model/records.ts';
import { SERVICE_FLAGS } from '../model/records.ts';
import { frontendKey } from '../plan/frontend-plan.ts';
import type { Flow, Selection } from './flow.ts';

/** What the kernel does with a new flow, step by step as bpf/lib/select.h and its callers do it. */
export function selectBackend(flow: Flow, shared: Shared): Selection {
  const service = findService(flow, shared);
  if (service === undefined) return unknownPort(flow, shared);
  if (!isReachable(flow, service)) return { verdict: 'refused', reason: 'cluster-ip', service };
  if (!acceptsSource(flow, service, shared)) return { verdict: 'refused', reason: 'source-range', service };
  const { records } = shared.store;
  const run = records.pools.get(service.pool)?.run;
  if (run === undefined || run.length === 0) return { verdict: 'no-backend', service };
  const affinity = (service.flags & SERVICE_FLAGS.AFFINITY) !== 0;
  const { client, clientPort, port, protocol } = flow;
  const hash = serviceHash({ client, clientPort, port, protocol: protocolNumber(protocol), affinity }, shared.settings.seed.service);
  const position = runPosition(hash, run.length);
  return { verdict: 'backend', service, backend: records.backends.get(run[position]!)!, hash, position };
}

function findService(flow: Flow, shared: Shared): ServiceRecord | undefined {
  const exact = inScope(frontendKey(flow.address.text, flow.port, protocolNumber(flow.protocol)), flow, shared);
  if (exact !== undefined) return isBelieved(flow, exact, shared) ? exact : undefined;
  if (!shared.nodeAddresses.has(flow.address.text) && !isSocketLoopback(flow)) return undefined;
  const any = flow.address.family === 4 ? '0.0.0.0' : '::';
  return inScope(frontendKey(any, flow.port, protocolNumber(flow.protocol)), flow, shared);
}

function inScope(key: string, { from }: Flow, { byFrontend, store }: Shared): ServiceRecord | undefined {
  const find = (id: number | undefined): ServiceRecord | undefined => (id === undefined ? undefined : store.records.services.get(id));
  const external = find(byFrontend.get(key));
  if (external === undefined || from === 'outside' || (external.flags & SERVICE_FLAGS.TWO_SCOPES) === 0) return external;
  return find(byFrontend.get(scopedKey(key, 'internal')));
}

/** Clients outside use ClusterIPs and redirects only where the node says so. */
function isReachable({ from }: Flow, { flags }: ServiceRecord): boolean {
  return from === 'inside' || (flags & SERVICE_FLAGS.ROUTABLE) !== 0;
}

/** At the socket, addresses that anybody can write into a service count only where they are this node's own. */
function isBelieved({ client, address }: Flow, { flags }: ServiceRecord, { nodeAddresses }: Shared): boolean {
  if (!('cookie' in client) || (flags & (SERVICE_FLAGS.EXTERNAL_IP | SERVICE_FLAGS.HOST_PORT)) === 0) return true;
  if ((flags & SERVICE_FLAGS.HOST_PORT) !== 0 && isLoopback(address)) return true;
  return nodeAddresses.has(address.text);
}

/** A socket of the node reaches NodePorts by the loopback address, too. */
function isSocketLoopback({ client, address }: Flow): boolean {
  return 'cookie' in client && isLoopback(address);
}

function isLoopback({ family, bytes, text }: IpAddress): boolean {
  return family === 4 ? bytes[0] === 127 : text === '::1';
}

function acceptsSource({ client, from }: Flow, { flags, sourceRanges }: ServiceRecord, { settings }: Shared): boolean {
  if ((flags & SERVICE_FLAGS.SOURCE_RANGE) === 0 || 'cookie' in client) return true;
  if (from === 'inside' && !settings.sourceRangeAllTypes) return true;
  const covered = sourceRanges.some((cidr) => cidrContains(cidr, client));
  return (flags & SERVICE_FLAGS.SOURCE_DENY) === 0 ? covered : !covered;
}

function unknownPort({ address, from }: Flow, { byFrontend, store }: Shared): Selection {
  const id = from === 'outside' ? byFrontend.get(wildcardKey(address.text)) : undefined;
  const service = id === undefined ? undefined : store.records.services.get(id);
  return service === undefined ? { verdict: 'pass' } : { verdict: 'refused', reason: 'unknown-port', service };
}
