import { decodeBytes, encodeBytes } from '@cilium-ts/bpf-maps';
import { ipToKey16, parseIp } from '@cilium-ts/core';
import { describe, expect, it } from 'vitest';
import {
  addressBucket, cell, decodeEvent, decodeFlow, decodeVerdict, DECISION_ALLOWED, DROP_REASON, endpointInfo, event, EVENT_FLAG, EVENT_TYPE, flow,
  flowKey, FLOW_REMOTE, FLOW_STATE, MAPS, nodeState, reasonName, rowReference, rowReferenceCount, rowReferenceOffset, tcpFlagNames, VERDICT_ACTIONS,
} from '../src/index.ts';

const key16 = (text: string) => ipToKey16(parseIp(text) ?? expect.fail(text));

describe('layouts', () => {
  it('fit the maps that carry them', () => {
    expect(MAPS.cilium_cells.valueSize).toBe(cell.size);
    expect(MAPS.cilium_endpoints.valueSize).toBe(endpointInfo.size);
    expect(MAPS.cilium_flows).toMatchObject({ keySize: flowKey.size, valueSize: flow.size });
    expect(MAPS.cilium_node.valueSize).toBe(nodeState.size);
  });

  it('keep cells on cache lines and endpoint records at 64 bytes', () => {
    expect([cell.size, endpointInfo.size]).toEqual([64, 64]);
    // with the kernel's own 48 bytes an element of the flow table is whole cache lines
    expect((48 + flowKey.size + flow.size) % 64).toBe(0);
  });
});

describe('row references', () => {
  it.each([[1, 1], [262_143, 1], [5, 1024], [260_000, 1000]])('hold offset %i and count %i', (offset, count) => {
    const reference = rowReference(offset, count);
    expect(reference).toBeLessThan(2 ** 32);
    expect([rowReferenceOffset(reference), rowReferenceCount(reference)]).toEqual([offset, count]);
  });

  it('refuse a row that the search cannot span', () => expect(() => rowReference(0, 1025)).toThrow(RangeError));
});

describe('addressBucket', () => {
  it('spreads neighbouring addresses', () => {
    const buckets = new Set(Array.from({ length: 200 }, (_, host) => addressBucket(key16(`10.1.2.${host}`))));
    expect(buckets.size).toBeGreaterThan(180);
    expect(Math.max(...buckets)).toBeLessThan(4096);
  });

  it('computes what the C code does', () => {
    // ::ffff:10.0.0.1 as little-endian words: 0, 0, 0xffff0000, 0x0100000a.
    expect(addressBucket(key16('10.0.0.1'))).toBe(Number(((0xfeff000an * 0x9e3779b1n) & 0xffff_ffffn) >> 20n));
  });
});

describe('events', () => {
  const base = {
    timestamp: 123n, type: EVENT_TYPE.DROP, version: 1, reason: DROP_REASON.POLICY, direction: 1, flags: EVENT_FLAG.TUPLE | EVENT_FLAG.INGRESS_JUDGED, point: 255, protocol: 6,
    sourceIdentity: 300, destinationIdentity: 400, sourceEndpoint: 0, destinationEndpoint: 7, ifindex: 10_001, length: 74, egressVerdict: 0,
    ingressVerdict: VERDICT_ACTIONS['deny-default'], sourcePort: 40_000, destinationPort: 80, source: key16('10.0.0.1'), destination: key16('10.0.0.2'),
    tcpFlags: 2, icmpType: 0, ethertype: 0x0800, reserved: 0,
  };

  it('decode a drop', () => {
    expect(decodeEvent(encodeBytes(event, base))).toMatchObject({
      kind: 'drop', direction: 'ingress', reason: { code: 133, text: 'Policy denied' }, family: 4, protocol: { number: 6, name: 'TCP' },
      source: { port: 40_000, identity: 300, endpoint: undefined }, destination: { port: 80, identity: 400, endpoint: 7 },
      ingressVerdict: { action: 'deny-default', matchName: 'none' }, tcpFlags: ['SYN'],
    });
    expect(decodeEvent(encodeBytes(event, base))).not.toHaveProperty('egressVerdict');
  });

  it('decode a verdict that carries its trace', () => {
    const bytes = encodeBytes(event, { ...base, type: EVENT_TYPE.VERDICT, flags: EVENT_FLAG.TUPLE | EVENT_FLAG.WITH_TRACE, point: 0, reason: 0 });
    expect(decodeEvent(bytes)).toMatchObject({ kind: 'verdict', tracePoint: 'to-endpoint' });
  });

  it('leave out what was not parsed', () => {
    const decoded = decodeEvent(encodeBytes(event, { ...base, flags: 0, reason: DROP_REASON.UNSUPPORTED_L2 }));
    expect(decoded).toMatchObject({ family: undefined, protocol: undefined, source: { ip: undefined, port: undefined } });
  });

  it('pass over records of another version and refuse short ones', () => {
    expect(decodeEvent(encodeBytes(event, { ...base, version: 9 }))).toBeUndefined();
    expect(() => decodeEvent(new Uint8Array(10))).toThrow(RangeError);
  });
});

describe('flows', () => {
  it('are turned so that the source began', () => {
    const key = { address0: key16('10.0.0.1'), address1: key16('10.0.0.2'), port0: 80, port1: 40_000, protocol: 6, kind: 0, requester: 0 };
    const value = {
      decision: DECISION_ALLOWED | (5n << 30n) | 3n, generation: [1, 2], end: [8, FLOW_REMOTE + 3], identity: [300, 2], lastSeen: 2, state: FLOW_STATE.FIN_1 | FLOW_STATE.CONFIRMED,
      began: 1, reserved: 0, flags: 0, rewriteAddress: new Uint8Array(16), rewritePort: 0, rewriteId: 0, otherPort: 0, backendGeneration: 0, line: new Uint8Array(34),
    };
    expect(decodeFlow(decodeBytes(flowKey, encodeBytes(flowKey, key)), decodeBytes(flow, encodeBytes(flow, value)))).toMatchObject({
      source: { ip: { text: '10.0.0.2' }, port: 40_000, slot: undefined, revision: 5 },
      destination: { ip: { text: '10.0.0.1' }, port: 80, slot: 7, revision: 3 },
      allowed: true, state: ['fin-source', 'confirmed'], lastSeenJiffies: 128,
    });
  });
});

describe('names', () => {
  it('are Cilium’s where the meaning is', () => expect([reasonName(133), reasonName(181), reasonName(1)]).toEqual(['Policy denied', 'Policy denied by denylist', 'Unknown reason (1)']));
  it('cover TCP flags', () => expect(tcpFlagNames(0x12)).toEqual(['SYN', 'ACK']));
  it('cover verdicts', () => expect(decodeVerdict(0x0201)).toEqual({ action: 'allow', match: 2, matchName: 'L3-L4', proxyPort: 0 }));
});
