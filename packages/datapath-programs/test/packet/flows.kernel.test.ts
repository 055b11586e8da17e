import { payload, sctp, type TcpFlag } from '@cilium-ts/testkit';
import { DROP_REASON, flow, type FlowEntry } from '@cilium-ts/datapath-layout';
import { createMap } from 'libbpf-napi';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { A, B, datagram, echo, FAMILIES, fromPod, HOST, IDENTITY, ip, quoted, REMOTE, segment, toPod, unreachable, WORLD } from './frames.ts';
import { ALLOW, DENY, device, OPEN, Sandbox, UPLINK, type Policy, type Row } from './sandbox.ts';

const WEB: Row = [[0, 'default'], [6 * 65536 + 80, 'allow'], [6 * 65536 + 81, 'default']];
const CLIENT: Policy = { ingress: { any: DENY }, egress: { any: ALLOW } };
const SERVER: Policy = { ingress: { any: WEB }, egress: { any: DENY } };

let sandbox: Sandbox;
const begun = (): string[] => sandbox.flows().map((flow: FlowEntry) => flow.source.ip.text);

beforeAll(async () => {
  sandbox = await Sandbox.open();
  await sandbox.addPod(A);
  await sandbox.addPod(B);
  for (const family of [4, 6] as const) {
    sandbox.addRemote(`${HOST[family]}/${family === 4 ? 32 : 128}`, IDENTITY.host, 1);
    sandbox.addRemote(`${REMOTE[family]}/${family === 4 ? 24 : 64}`, IDENTITY.remote);
  }
});
afterAll(() => sandbox.close());
beforeEach(() => {
  sandbox.register(A, OPEN);
  sandbox.register(B, OPEN);
  sandbox.clearFlows();
});

describe.each(FAMILIES)('flows over IPv$family', ({ family }) => {
  const [a, b] = [ip(A, family), ip(B, family)];

  test('both directions share one entry, under the end that began', () => {
    sandbox.setPolicy(A, CLIENT);
    sandbox.setPolicy(B, SERVER);
    expect(sandbox.from(A, fromPod(A, family, b, segment(4000, 80, 'syn')))).toMatchObject({ verdict: 'redirect' });
    expect(sandbox.from(B, fromPod(B, family, a, segment(80, 4000, 'syn', 'ack')))).toMatchObject({ verdict: 'redirect', events: [] });
    expect(sandbox.from(A, fromPod(A, family, b, segment(4000, 80, 'ack')))).toMatchObject({ verdict: 'redirect', events: [] });
    expect(begun()).toEqual([a]);
    expect(sandbox.flows()[0]).toMatchObject({ allowed: true, state: ['confirmed'], source: { identity: A.identity }, destination: { identity: B.identity, port: 80 } });
  });

  test('a SYN is never a reply, and denied leaves the entry alone', () => {
    sandbox.setPolicy(A, CLIENT);
    sandbox.setPolicy(B, { ingress: { any: WEB }, egress: { any: DENY } });
    sandbox.from(A, fromPod(A, family, b, segment(40000, 80, 'syn')));
    const before = sandbox.flows();
    expect(sandbox.from(B, fromPod(B, family, a, segment(80, 40000, 'syn')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    expect(sandbox.flows()).toEqual(before);
  });

  test('a SYN the other way that policy allows begins the flow anew', () => {
    sandbox.from(A, fromPod(A, family, b, segment(4000, 80, 'syn')));
    expect(sandbox.from(B, fromPod(B, family, a, segment(80, 4000, 'syn'))).verdict).toBe('redirect');
    expect(begun()).toEqual([b]);
  });

  test('an SCTP INIT is never a reply', () => {
    sandbox.setPolicy(B, { ingress: { any: ALLOW }, egress: { any: DENY } });
    expect(sandbox.from(A, fromPod(A, family, b, sctp({ sourcePort: 5, destinationPort: 6 }))).verdict).toBe('redirect');
    expect(sandbox.from(B, fromPod(B, family, a, sctp({ sourcePort: 6, destinationPort: 5, chunk: 'initAck' }))).verdict).toBe('redirect');
    expect(sandbox.from(B, fromPod(B, family, a, sctp({ sourcePort: 6, destinationPort: 5 })))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('a reply is none in the requester\'s own direction, with the identifier 0 either', () => {
    sandbox.setPolicy(A, { ingress: { any: DENY }, egress: { any: [[0, 'default'], [(family === 4 ? 1 : 58) * 65536 + (family === 4 ? 8 : 128), 'allow'], [(family === 4 ? 1 : 58) * 65536 + (family === 4 ? 9 : 129), 'default']] } });
    expect(sandbox.from(A, fromPod(A, family, b, echo(family, 'request', 0))).verdict).toBe('redirect');
    expect(sandbox.from(A, fromPod(A, family, b, echo(family, 'reply', 0)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    expect(sandbox.from(B, fromPod(B, family, a, echo(family, 'reply', 0))).verdict).toBe('redirect');
  });

  test('two echo requests with one identifier, one each way, do not meet', () => {
    sandbox.setPolicy(B, { ingress: { any: ALLOW }, egress: { any: DENY } });
    expect(sandbox.from(A, fromPod(A, family, b, echo(family, 'request', 7))).verdict).toBe('redirect');
    expect(sandbox.from(B, fromPod(B, family, a, echo(family, 'request', 7)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    expect(sandbox.from(B, fromPod(B, family, a, echo(family, 'reply', 7))).verdict).toBe('redirect');
    expect(sandbox.from(B, fromPod(B, family, a, echo(family, 'reply', 8)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('UDP answers pass, other datagrams do not', () => {
    sandbox.setPolicy(B, { ingress: { any: ALLOW }, egress: { any: DENY } });
    expect(sandbox.from(A, fromPod(A, family, b, datagram(5353, 53))).verdict).toBe('redirect');
    expect(sandbox.from(B, fromPod(B, family, a, datagram(53, 5353))).verdict).toBe('redirect');
    expect(sandbox.from(B, fromPod(B, family, a, datagram(53, 5354)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test.each([
    { what: 'UDP', seconds: 61, layer: datagram(1, 2), answer: datagram(2, 1) },
    { what: 'TCP that saw only a SYN', seconds: 61, layer: segment(1, 2, 'syn'), answer: segment(2, 1, 'syn', 'ack') },
    { what: 'TCP established', seconds: 8001, layer: segment(1, 2, 'ack'), answer: segment(2, 1, 'ack') },
    { what: 'TCP that has ended', seconds: 11, layer: segment(1, 2, 'fin', 'ack'), answer: segment(2, 1, 'fin', 'ack') },
    { what: 'TCP reset', seconds: 8001, layer: segment(1, 2, 'syn'), then: segment(1, 2, 'rst'), answer: segment(2, 1, 'ack') },
  ])('$what is forgotten after its time-out, and not before', ({ seconds, layer, then = layer, answer }) => {
    sandbox.setPolicy(B, { ingress: { any: ALLOW }, egress: { any: DENY } });
    for (const each of [layer, then]) sandbox.from(A, fromPod(A, family, b, each));
    sandbox.age(seconds - 3);
    expect(sandbox.from(B, fromPod(B, family, a, answer)).verdict).toBe('redirect');
    sandbox.age(seconds);
    expect(sandbox.from(B, fromPod(B, family, a, answer))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('a reset that anybody may have sent costs a connection nothing: whoever goes on takes it back', () => {
    sandbox.setPolicy(B, { ingress: { any: ALLOW }, egress: { any: DENY } });
    const send = (...flags: TcpFlag[]) => sandbox.from(A, fromPod(A, family, b, segment(1, 2, ...flags)));
    const answer = (...flags: TcpFlag[]) => sandbox.from(B, fromPod(B, family, a, segment(2, 1, ...flags)));
    for (const each of [send, answer]) {
      send('ack');
      each('rst');
      expect(sandbox.flows()[0]?.state).toEqual(['reset', 'confirmed']);
      sandbox.age(600);
      expect(answer('ack', 'psh')).toMatchObject({ verdict: 'redirect', events: [] });
      expect(sandbox.flows()[0]?.state).toEqual(['confirmed']);
      each('rst', 'ack');
      expect(send('ack').verdict).toBe('redirect');
      expect(sandbox.flows()[0]?.state).toEqual(['confirmed']);
    }
    // what ends or begins a connection is no sign of life
    for (const flags of [['fin', 'ack'], ['rst'], ['syn', 'ack']] as const) {
      send('rst');
      send(...flags);
      expect(sandbox.flows()[0]?.state).toContain('reset');
    }
    expect(send('syn')).toMatchObject({ verdict: 'redirect', events: [{ kind: 'verdict' }] });
    expect(sandbox.flows()[0]?.state).toEqual([]);
  });

  test('the same of an abort of SCTP', () => {
    sandbox.setPolicy(B, { ingress: { any: ALLOW }, egress: { any: DENY } });
    const chunk = (kind: Parameters<typeof sctp>[0]['chunk']) => sandbox.from(A, fromPod(A, family, b, sctp({ sourcePort: 5, destinationPort: 6, chunk: kind! })));
    chunk('init');
    chunk('data');
    chunk('abort');
    expect(sandbox.flows()[0]?.state).toContain('reset');
    sandbox.age(30);
    expect(sandbox.from(B, fromPod(B, family, a, sctp({ sourcePort: 6, destinationPort: 5, chunk: 'data' }))).verdict).toBe('redirect');
    expect(sandbox.flows()[0]?.state).not.toContain('reset');
  });

  test('a SYN on a closing entry starts anew, with a verdict of its own', () => {
    sandbox.from(A, fromPod(A, family, b, segment(1, 2, 'syn')));
    sandbox.from(A, fromPod(A, family, b, segment(1, 2, 'fin', 'ack')));
    expect(sandbox.from(A, fromPod(A, family, b, segment(1, 2, 'syn'))).events).toHaveLength(0); // one side only: not closing yet
    sandbox.from(B, fromPod(B, family, a, segment(2, 1, 'fin', 'ack')));
    expect(sandbox.from(A, fromPod(A, family, b, segment(1, 2, 'syn'))).events).toMatchObject([{ kind: 'verdict' }]);
    expect(sandbox.flows()[0]?.state).toEqual([]);
  });

  test.each(['source', 'destination'])('a new revision of the %s decides again, in the direction that began, and denied cuts both', (which) => {
    sandbox.setPolicy(A, OPEN);
    sandbox.from(A, fromPod(A, family, b, datagram(1, 2)));
    const pod = which === 'source' ? A : B;
    const denied: Policy = which === 'source' ? { ingress: { any: ALLOW }, egress: { any: DENY } } : { ingress: { any: DENY }, egress: { any: ALLOW } };
    sandbox.setPolicy(pod, denied);
    expect(sandbox.from(A, fromPod(A, family, b, datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    expect(sandbox.from(B, fromPod(B, family, a, datagram(2, 1)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    sandbox.setPolicy(pod, OPEN);
    expect(sandbox.from(B, fromPod(B, family, a, datagram(2, 1)))).toMatchObject({ verdict: 'redirect', events: [] }); // first packet: the reply
    expect(begun()).toEqual([a]);
  });

  test('replies need no rule of their own, also when decided again', () => {
    sandbox.setPolicy(A, CLIENT);
    sandbox.setPolicy(B, SERVER);
    sandbox.from(A, fromPod(A, family, b, segment(4000, 80, 'syn')));
    sandbox.setPolicy(B, SERVER);
    expect(sandbox.from(B, fromPod(B, family, a, segment(80, 4000, 'syn', 'ack'))).verdict).toBe('redirect');
  });

  test('what is staged but not in force changes nothing', () => {
    sandbox.stage(B, { ingress: { any: DENY }, egress: { any: ALLOW } });
    expect(sandbox.from(A, fromPod(A, family, b, datagram(1, 2))).verdict).toBe('redirect');
  });

  test('no decision survives its endpoint', () => {
    sandbox.from(A, fromPod(A, family, b, datagram(1, 2)));
    sandbox.setPolicy(B, { ingress: { any: DENY }, egress: { any: ALLOW } }, { generation: 2 + family, keepRevision: true });
    expect(sandbox.from(A, fromPod(A, family, b, datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('an inactive destination and an inactive source are refused', () => {
    sandbox.setPolicy(B, { ...OPEN, inactive: true });
    expect(sandbox.from(A, fromPod(A, family, b, datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.STALE_IP });
    expect(sandbox.from(B, fromPod(B, family, a, datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NO_POLICY });
    expect(sandbox.to(B, toPod(B, family, WORLD[family], datagram(1, 2)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.NO_POLICY });
  });

  test('no decision survives the identity of a remote address', () => {
    const only: Policy = { ingress: { any: DENY, by: new Map([[IDENTITY.remote, ALLOW]]) }, egress: { any: DENY, by: new Map([[IDENTITY.remote, ALLOW]]) } };
    sandbox.setPolicy(A, only);
    const remote = sandbox.addRemote(`${REMOTE[family]}/${family === 4 ? 32 : 128}`, IDENTITY.remote);
    expect(sandbox.from(A, fromPod(A, family, REMOTE[family], datagram(1, 2))).verdict).toBe('pass');
    sandbox.setRemote(remote, 4004);
    expect(sandbox.from(A, fromPod(A, family, REMOTE[family], datagram(1, 2))).verdict).toBe('pass'); // not counted yet
    sandbox.bumpAddress(REMOTE[family]);
    expect(sandbox.to(A, toPod(A, family, REMOTE[family], datagram(2, 1)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    expect(sandbox.from(A, fromPod(A, family, REMOTE[family], datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    sandbox.removeAddress(REMOTE[family]);
  });

  test('an address takes on the identity staged for it with the epoch, together with the policies', () => {
    const names = (identity: number): Policy => ({ ingress: { any: DENY, by: new Map([[identity, ALLOW]]) }, egress: { any: DENY, by: new Map([[identity, ALLOW]]) } });
    sandbox.setPolicy(A, names(IDENTITY.remote));
    const remote = sandbox.addRemote(`${REMOTE[family]}/${family === 4 ? 32 : 128}`, IDENTITY.remote);
    const out = (port: number) => sandbox.from(A, fromPod(A, family, REMOTE[family], datagram(port, 2)));
    const back = (port: number) => sandbox.to(A, toPod(A, family, REMOTE[family], datagram(2, port)), UPLINK);
    for (const [identity, port] of [[4004, 1], [4005, 3], [4006, 5]] as const) {
      expect([out(port).verdict, back(port).verdict]).toEqual(['pass', 'pass']);
      sandbox.stageRemote(remote, identity);
      expect([out(port).verdict, back(port).verdict, out(port + 1).verdict]).toEqual(['pass', 'pass', 'pass']);
      sandbox.setPolicy(A, names(identity));
      expect([out(port).verdict, back(port).verdict, out(port + 1).verdict]).toEqual(['pass', 'pass', 'pass']);
      sandbox.setRemote(remote, identity);
    }
    sandbox.setPolicy(A, names(IDENTITY.remote));
    expect(out(1)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    sandbox.removeAddress(REMOTE[family]);
  });

  test('a changed prefix makes all remote ends be looked up again', () => {
    sandbox.setPolicy(A, { ingress: { any: DENY }, egress: { any: DENY, by: new Map([[family === 4 ? IDENTITY.world4 : IDENTITY.world6, ALLOW]]) } });
    const address = family === 4 ? '203.0.113.77' : '2001:db8:ffff::77';
    expect(sandbox.from(A, fromPod(A, family, address, datagram(1, 2))).verdict).toBe('pass');
    sandbox.addRemote(`${address}/${family === 4 ? 31 : 127}`, 4004);
    sandbox.bumpPrefixes();
    expect(sandbox.from(A, fromPod(A, family, address, datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('a local address that appears over a remote one takes the flow with it', () => {
    sandbox.removeAddress(b);
    expect(sandbox.from(A, fromPod(A, family, b, datagram(1, 2))).verdict).toBe('pass');
    sandbox.register(B, { ingress: { any: DENY }, egress: { any: ALLOW } });
    sandbox.bumpAddress(b);
    expect(sandbox.from(A, fromPod(A, family, b, datagram(1, 2)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('a segment in the middle is no reply merely because policy allows the other way', () => {
    sandbox.setPolicy(A, CLIENT);
    sandbox.setPolicy(B, SERVER);
    expect(sandbox.from(B, fromPod(B, family, a, segment(80, 4000, 'ack')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    expect(sandbox.from(B, fromPod(B, family, a, segment(80, 4000, 'syn', 'ack')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
    expect(sandbox.flows()).toEqual([]);
  });

  test('a segment in the middle that policy allows begins a flow; a reset does not', () => {
    expect(sandbox.from(A, fromPod(A, family, b, segment(1, 2, 'rst'))).verdict).toBe('redirect');
    expect(sandbox.flows()).toEqual([]);
    expect(sandbox.from(A, fromPod(A, family, b, segment(1, 2, 'ack'))).verdict).toBe('redirect');
    expect(sandbox.flows()[0]?.state).toEqual(['confirmed']);
  });

  test('a flow that came out of the stack goes back to the stack', () => {
    expect(sandbox.to(B, toPod(B, family, a, datagram(1, 2)), device(A)).verdict).toBe('pass');
    expect(sandbox.flows()[0]?.viaStack).toBe(true);
    expect(sandbox.from(B, fromPod(B, family, a, datagram(2, 1)))).toMatchObject({ verdict: 'pass', events: [] });
  });

  test('ICMP errors follow the flow that they quote, against its packet, and create nothing', () => {
    sandbox.setPolicy(B, { ingress: { any: ALLOW }, egress: { any: DENY } });
    const sent = fromPod(A, family, b, datagram(1, 2), payload('x'));
    const error = fromPod(B, family, a, unreachable(family), quoted(sent));
    expect(sandbox.from(B, error)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.UNKNOWN_FLOW });
    sandbox.from(A, sent);
    expect(sandbox.from(B, error)).toMatchObject({ verdict: 'redirect', events: [] });
    expect(sandbox.flows()).toHaveLength(1);
    // the same words to somebody else, and about a packet that somebody else sent
    expect(sandbox.from(B, fromPod(B, family, WORLD[family], unreachable(family), quoted(sent)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_PACKET });
    expect(sandbox.from(A, fromPod(A, family, b, unreachable(family), quoted(fromPod(B, family, WORLD[family], datagram(2, 1)))))).toMatchObject({ verdict: 'drop' });
    sandbox.setPolicy(B, { ingress: { any: DENY }, egress: { any: DENY } });
    expect(sandbox.from(B, error)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
  });

  test('any router may report, but nobody in the name of a local endpoint', () => {
    const sent = fromPod(A, family, WORLD[family], segment(1, 2, 'syn'));
    sandbox.from(A, sent);
    expect(sandbox.to(A, toPod(A, family, REMOTE[family], unreachable(family), quoted(sent)), UPLINK)).toMatchObject({ verdict: 'pass', events: [] });
    expect(sandbox.to(A, toPod(A, family, HOST[family], unreachable(family), quoted(sent)), 0).verdict).toBe('pass');
    expect(sandbox.to(A, toPod(A, family, b, unreachable(family), quoted(sent)), UPLINK)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_SOURCE_IP });
  });

  test('an error about an echo request finds its flow; an error about an error is refused', () => {
    const ping = fromPod(A, family, b, echo(family, 'request', 9));
    sandbox.from(A, ping);
    const error = fromPod(B, family, a, unreachable(family), quoted(ping));
    expect(sandbox.from(B, error).verdict).toBe('redirect');
    expect(sandbox.from(A, fromPod(A, family, b, unreachable(family), quoted(error)))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.INVALID_PACKET });
    expect(sandbox.from(B, error.slice(0, 66))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.TRUNCATED });
  });
});

test('an insert that fails opens nothing: policy judges each packet, and the failure is counted', async () => {
  // without preallocation (1 << 0): older kernels let a preallocated map hold a few more than it says
  using full = createMap({ type: 'hash', name: 'full', keySize: 40, valueSize: flow.size, maxEntries: 1, flags: 1 });
  full.update(new Uint8Array(40), new Uint8Array(flow.size));
  using crowded = await Sandbox.open({}, {}, { cilium_flows: full });
  await crowded.addPod(A, CLIENT);
  await crowded.addPod(B, SERVER);
  for (let n = 1; n < 4; n++) {
    expect(crowded.from(A, fromPod(A, 4, B.ipv4, segment(4000, 80, 'syn'))).verdict).toBe('redirect');
    expect(crowded.counted(DROP_REASON.FLOW_INSERT_FAILED)).toBe(n);
  }
  expect(crowded.from(B, fromPod(B, 4, A.ipv4, segment(80, 4000, 'syn', 'ack')))).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
});
