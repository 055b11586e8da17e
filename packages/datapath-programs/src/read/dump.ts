import { viewOf } from '@cilium-ts/bpf-maps';
import {
  CELL_FLAG, decodeFlow, decodeVerdict, directionName, flow, flowKey, metric, METRIC_DIRECTIONS, policyKey, policyValue, reasonName, rowBoundary,
  rowReferenceCount, rowReferenceOffset, type FlowEntry,
} from '@cilium-ts/datapath-layout';
import { splitPerCpu, type BpfMap } from 'libbpf-napi';
import type { AddressDumpEntry, MetricTotal, PolicyDumpEntry } from '../datapath.ts';
import type { DatapathStore } from '../ports.ts';
import type { Slot } from '../state/desired.ts';
import { readState } from '../state/restore.ts';
import { loadEpoch } from '../write/buckets.ts';
import { parityOf, readHalf } from '../write/cells.ts';

/** Every flow that the kernel remembers; under load an LRU hash shows most of its entries, not all. */
export function dumpFlows(map: BpfMap): FlowEntry[] {
  return [...map.entries()].map(([key, value]) => decodeFlow(flowKey.decode(viewOf(key), 0), flow.decode(viewOf(value), 0)));
}

/** Packets and bytes by reason and direction, summed over CPUs; those that never happened are left out. */
export function dumpMetrics(map: BpfMap): MetricTotal[] {
  const totals: MetricTotal[] = [];
  for (const [key, value] of map.entries()) {
    const index = viewOf(key).getUint32(0, true);
    const perCpu = splitPerCpu(value, metric.size).map((bytes) => metric.decode(viewOf(bytes), 0));
    const packets = perCpu.reduce((sum, each) => sum + each.packets, 0n);
    if (packets === 0n) continue;
    const reason = Math.floor(index / METRIC_DIRECTIONS);
    const bytes = perCpu.reduce((sum, each) => sum + each.bytes, 0n);
    totals.push({ reason, reasonText: reasonName(reason), direction: directionName(index % METRIC_DIRECTIONS), packets, bytes });
  }
  return totals;
}

/** The policy in force for a slot, as it is in the kernel; nothing for a slot without policy. */
export function dumpPolicy(store: DatapathStore, slot: Slot): PolicyDumpEntry[] {
  const half = readHalf(store.cells, slot, parityOf(loadEpoch(store.node)));
  if (half.generation === 0 || (half.flags & CELL_FLAG.LOCKED_DOWN) !== 0) return [];
  const entries: PolicyDumpEntry[] = [
    { direction: 'ingress', identity: undefined, runs: readRuns(store, half.anyIngress) },
    { direction: 'egress', identity: undefined, runs: readRuns(store, half.anyEgress) },
  ];
  for (const [key, value] of store.policy.entries()) {
    const { version, direction, identity } = policyKey.decode(viewOf(key), 0);
    if (version !== half.version) continue;
    entries.push({ direction: direction === 0 ? 'ingress' : 'egress', identity, runs: readRuns(store, policyValue.decode(viewOf(value), 0).row) });
  }
  return entries;
}

/** The last start of all: protocol 255, port 65,535. */
const END = 256 * 65_536;

function readRuns(store: DatapathStore, reference: number): PolicyDumpEntry['runs'] {
  const offset = rowReferenceOffset(reference);
  const boundaries = Array.from({ length: rowReferenceCount(reference) }, (_, index) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, store.rows.load(offset + index), true);
    return rowBoundary.decode(view, 0);
  });
  return boundaries.map(({ start, verdict }, index) => {
    const last = (boundaries[index + 1]?.start ?? END) - 1;
    return { protocol: start >>> 16, fromPort: start & 0xffff, toProtocol: last >>> 16, toPort: last & 0xffff, verdict: decodeVerdict(verdict) };
  });
}

/** Every address and prefix that the kernel knows, with the identity it gives. */
export function dumpAddresses(store: DatapathStore): AddressDumpEntry[] {
  const { addresses, slots } = readState(store);
  const identities = new Map(slots.map(({ slot, half }) => [slot, half.identity]));
  return addresses.map(({ cidr, target }) =>
    target.kind === 'remote'
      ? { cidr: cidr.text, identity: target.identity, host: target.host, slot: undefined }
      : { cidr: cidr.text, identity: identities.get(target.slot) ?? 0, host: false, slot: target.slot },
  );
}
