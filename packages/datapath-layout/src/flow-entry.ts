import { ipFromKey16, type IpAddress } from '@cilium-ts/core';
import { DECISION_ALLOWED, DECISION_AUDITED, FLOW_BACKEND_SHIFT, FLOW_REMOTE, FLOW_TICK_SHIFT, REVISION_BITS, REVISION_MASK } from './generated/constants.ts';
import { FLOW_FLAG, FLOW_STATE } from './generated/enums.ts';
import type { Flow, FlowKey } from './generated/structs.ts';
import { protocolName } from './names.ts';

/** One end of a flow. */
export interface FlowEnd {
  readonly ip: IpAddress;
  /** In host order; the identifier of an ICMP requester; 0 where there are none. */
  readonly port: number;
  readonly identity: number;
  /** The slot of a local endpoint; undefined for a remote address. */
  readonly slot: number | undefined;
  /** Generation of the slot, or the counter of the remote address's bucket. */
  readonly generation: number;
  /** The low 30 bits of the policy revision that the decision was based on; 0 for a remote end. */
  readonly revision: number;
}

/** A flow as the datapath remembers it, turned so that `source` is the end that began. */
export interface FlowEntry {
  readonly protocol: { readonly number: number; readonly name: string };
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
  readonly allowed: boolean;
  readonly audited: boolean;
  readonly viaStack: boolean;
  readonly state: readonly ('fin-source' | 'fin-destination' | 'reset' | 'confirmed' | 'unanswered')[];
  /** Of a flow to a service, which has two entries; the reply's only while it is `unanswered`. */
  readonly service?: FlowService;
  /** Jiffies of the last packet, rounded down to 64. */
  readonly lastSeenJiffies: number;
}

/** What one of the two entries of a flow to a service says of it; see bpf/lib/flows.h. */
export interface FlowService {
  readonly id: number;
  /** Whose packets meet the entry: the client's on their way to the service, or those between client and backend. */
  readonly side: 'request' | 'reply';
  /** Index of the backend in cilium_backends; in the request's entry with its generation. */
  readonly backend: number;
  readonly backendGeneration?: number;
  /** In the reply's entry: the service's address and port as the client used them. */
  readonly frontend?: { readonly ip: IpAddress; readonly port: number };
  /** The client is its own backend. */
  readonly hairpin: boolean;
  /** Where the backend sees another port of the client: in the request's entry that one, in the reply's the client's own. */
  readonly otherPort?: number;
}

/** Decodes one entry of cilium_flows. */
export function decodeFlow(key: FlowKey, flow: Flow): FlowEntry {
  const ends = [endOf(key, flow, 0), endOf(key, flow, 1)] as const;
  const began = flow.began === 1 ? 1 : 0;
  const state = (bit: number): boolean => (flow.state & bit) !== 0;
  const fin = [state(FLOW_STATE.FIN_0), state(FLOW_STATE.FIN_1)];
  return {
    protocol: { number: key.protocol, name: protocolName(key.protocol) },
    source: ends[began],
    destination: ends[began === 1 ? 0 : 1],
    allowed: (flow.decision & DECISION_ALLOWED) !== 0n,
    audited: (flow.decision & DECISION_AUDITED) !== 0n,
    viaStack: (flow.flags & FLOW_FLAG.VIA_STACK) !== 0,
    state: [
      ...(fin[began] ? (['fin-source'] as const) : []),
      ...(fin[1 - began] ? (['fin-destination'] as const) : []),
      ...(state(FLOW_STATE.RESET) ? (['reset'] as const) : []),
      ...(state(FLOW_STATE.CONFIRMED) ? (['confirmed'] as const) : []),
      ...(state(FLOW_STATE.HALF) ? (['unanswered'] as const) : []),
    ],
    ...serviceOf(flow),
    lastSeenJiffies: flow.lastSeen * 2 ** FLOW_TICK_SHIFT,
  };
}

function serviceOf(flow: Flow): { service?: FlowService } {
  const base = {
    id: flow.rewriteId,
    backend: flow.state >>> FLOW_BACKEND_SHIFT,
    hairpin: (flow.flags & FLOW_FLAG.HAIRPIN) !== 0,
    ...((flow.flags & FLOW_FLAG.PORT) !== 0 && { otherPort: flow.otherPort }),
  };
  if ((flow.flags & FLOW_FLAG.SERVICE) !== 0) {
    return { service: { ...base, side: 'request', backendGeneration: flow.backendGeneration } };
  }
  if ((flow.flags & FLOW_FLAG.REPLY_REWRITE) === 0) return {};
  return { service: { ...base, side: 'reply', frontend: { ip: ipFromKey16(flow.rewriteAddress), port: flow.rewritePort } } };
}

function endOf(key: FlowKey, flow: Flow, end: 0 | 1): FlowEnd {
  const place = flow.end[end] ?? 0;
  return {
    ip: ipFromKey16(end === 0 ? key.address0 : key.address1),
    port: end === 0 ? key.port0 : key.port1,
    identity: flow.identity[end] ?? 0,
    slot: place >= FLOW_REMOTE || place === 0 ? undefined : place - 1,
    generation: flow.generation[end] ?? 0,
    revision: Number((flow.decision >> BigInt(end * REVISION_BITS)) & BigInt(REVISION_MASK)),
  };
}
