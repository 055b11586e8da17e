import { decodeBytes, encodeBytes } from '@cilium-ts/bpf-maps';
import { DROP_REASON, flow, FLOW_FLAG, FLOW_STATE, type FlowEntry } from '@cilium-ts/datapath-layout';
import { fragmentIpv4, fragmentIpv6, payload, type TcpFlag } from '@cilium-ts/testkit';
import { createMap } from 'libbpf-napi';
import { describe, expect, test } from 'vitest';
import { A, B, FAMILIES, frame, fromPod, ip, quoted, REMOTE, segment, toPod, unreachable } from './frames.ts';
import { ALLOW, DENY, device, OPEN, Sandbox, UPLINK, type Outcome } from './sandbox.ts';
import { Services } from './services.ts';
import { BACKEND_PORT, bytes, delivered, LOOPBACK, PORT, sandbox, services, sides, TCP, useServices, VIP } from './services-rig.ts';

useServices();

describe.each(FAMILIES)('the first answer of a service over IPv$family', ({ family }) => {
  const [a, b, vip, far] = [ip(A, family), ip(B, family), VIP[family], REMOTE[family]];
  const [HERE, THERE] = [{ address: b, port: BACKEND_PORT }, { address: far, port: 9090 }];
  const add = (backend: typeof HERE = HERE): number => services.add({ id: 1, address: vip, port: PORT, protocol: TCP, backends: [backend] })[0]!;
  /** From now on the service has this backend instead. */
  const move = (backend: typeof HERE): number => {
    const index = services.addBackend(1, backend, TCP);
    services.retarget(1, [index]);
    return index;
  };
  const send = (...flags: TcpFlag[]): Outcome => sandbox.from(A, fromPod(A, family, vip, segment(4000, PORT, ...flags)));
  const syn = (): Outcome => send('syn');
  const here = (...flags: TcpFlag[]): Outcome => sandbox.from(B, fromPod(B, family, a, segment(BACKEND_PORT, 4000, ...flags)));
  const there = (...flags: TcpFlag[]): Outcome => sandbox.to(A, toPod(A, family, far, segment(9090, 4000, ...flags)), UPLINK);
  const toHere = (...flags: TcpFlag[]): string => bytes(delivered(family, B, [a, b], segment(4000, BACKEND_PORT, ...flags)));
  const toThere = (...flags: TcpFlag[]): string => bytes(fromPod(A, family, far, segment(4000, 9090, ...flags)));
  const entry = (side: string): FlowEntry | undefined => sandbox.flows().find((each) => each.service?.side === side);
  const states = (): (readonly string[])[] => sandbox.flows().map((each) => each.state);
  /** An entry without what time and TCP change in it. */
  const lasting = (each: FlowEntry | undefined): object => ({ ...each, state: [], lastSeenJiffies: 0 });
  const MISLED = { verdict: 'drop', reason: DROP_REASON.NAT_NO_MAPPING } as const;

  test('a SYN leaves one entry, the answer makes the other, as a packet without SYN makes both', () => {
    add();
    send('ack');
    const wanted = [lasting(entry('request')), lasting(entry('reply'))];
    sandbox.clearFlows();
    expect(bytes(syn().data)).toBe(toHere('syn'));
    expect([sides(), states()]).toEqual([['reply'], [['unanswered']]]);
    expect(bytes(here('syn', 'ack').data)).toBe(bytes(delivered(family, A, [vip, a], segment(PORT, 4000, 'syn', 'ack'))));
    expect([lasting(entry('request')), lasting(entry('reply'))]).toEqual(wanted);
    expect(states()).toEqual([[], []]);
    move(THERE);
    expect(bytes(send('ack').data)).toBe(toHere('ack'));
    expect(states()).toEqual([['confirmed'], ['confirmed']]);
  });

  test('whatever the backend answers makes it, while the SYN is remembered', () => {
    add(THERE);
    syn();
    sandbox.age(40);
    expect(bytes(there('ack', 'psh').data)).toBe(bytes(toPod(A, family, vip, segment(PORT, 4000, 'ack', 'psh'))));
    expect([sides(), states()]).toEqual([['reply', 'request'], [['confirmed'], ['confirmed']]]);
    sandbox.clearFlows();
    syn();
    sandbox.age(61);
    there('syn', 'ack');
    expect(sides()).toEqual([undefined]); // the client had given up
  });

  test('a connection that is refused costs one entry, again and again', () => {
    add();
    for (let n = 0; n < 3; n++) {
      expect(syn()).toMatchObject({ verdict: 'redirect', events: [{ kind: 'verdict' }] });
      expect(states()).toEqual([['unanswered']]);
      expect(bytes(here('rst', 'ack').data)).toBe(bytes(delivered(family, A, [vip, a], segment(PORT, 4000, 'rst', 'ack'))));
      expect([sides(), states()]).toEqual([['reply'], [['reset', 'confirmed', 'unanswered']]]);
    }
    syn();
    here('syn', 'ack');
    expect([sides(), states()]).toEqual([['reply', 'request'], [[], []]]);
  });

  test('a flood of SYNs costs one entry each', () => {
    add();
    for (let port = 1; port <= 200; port++) sandbox.from(A, fromPod(A, family, vip, segment(port, PORT, 'syn')));
    expect(sandbox.flows()).toHaveLength(200);
    expect(sandbox.flows().every((each) => each.service?.side === 'reply')).toBe(true);
  });

  test('a SYN sent again without answer goes where the service leads: the same way while that does not change', () => {
    add();
    syn();
    expect(syn()).toMatchObject({ verdict: 'redirect', events: [] });
    expect(sides()).toEqual(['reply']);
    move(THERE);
    expect(bytes(syn().data)).toBe(toThere('syn'));
    expect(sides()).toEqual(['reply', 'reply']);
  });

  test('of two backends that a SYN went to, the one that answers first is the connection\'s', () => {
    add();
    syn();
    move(THERE);
    syn();
    expect(here('syn', 'ack').verdict).toBe('redirect');
    expect(entry('request')?.service?.backend).toBe(1);
    for (const flags of [['syn', 'ack'], ['rst', 'ack'], ['ack']] as const) expect(there(...flags)).toMatchObject(MISLED);
    expect(bytes(send('ack').data)).toBe(toHere('ack'));
    // and stays so when all is quiet and the other one tries again
    for (let n = 0; n < 3; n++) {
      sandbox.age(3);
      expect(there('syn', 'ack')).toMatchObject(MISLED);
    }
    expect(bytes(send('ack').data)).toBe(toHere('ack'));
  });

  test('the one that answers first may be the later one', () => {
    add();
    syn();
    move(THERE);
    syn();
    expect(there('syn', 'ack').verdict).toBe('pass');
    expect(here('syn', 'ack')).toMatchObject(MISLED);
    expect(bytes(send('ack').data)).toBe(toThere('ack'));
    expect(entry('request')?.service?.backend).toBe(2);
  });

  test('an older connection on the same port holds no longer, once nothing moves in it', () => {
    add();
    send('ack');
    here('ack');
    sandbox.age(1);
    move(THERE);
    expect(bytes(syn().data)).toBe(toThere('syn'));
    expect(sides()).toEqual(['reply', 'reply', 'request']);
    expect(there('syn', 'ack').verdict).toBe('pass');
    expect(entry('request')).toMatchObject({ service: { backend: 2 }, state: [] });
    expect(bytes(send('ack').data)).toBe(toThere('ack'));
    // what the old backend still says changes nothing
    here('rst');
    expect(entry('request')?.state).toEqual(['confirmed']);
  });

  test('an older connection that has ended, or whose backend has, does not hold', () => {
    const old = add();
    send('ack');
    here('ack');
    move(THERE);
    send('fin', 'ack');
    here('fin', 'ack');
    syn();
    expect(there('syn', 'ack').verdict).toBe('pass');
    expect(entry('request')).toMatchObject({ service: { backend: 2 }, state: [] });
    sandbox.clearFlows();
    services.retarget(1, [old]);
    send('ack');
    services.retarget(1, [2]);
    syn();
    services.endBackend(old);
    expect(there('syn', 'ack').verdict).toBe('pass');
    expect(entry('request')?.service?.backend).toBe(2);
  });

  test('an older connection in which something has just moved holds until the SYN comes again', () => {
    add();
    send('ack');
    move(THERE);
    syn();
    expect(there('syn', 'ack')).toMatchObject(MISLED);
    sandbox.age(1);
    syn();
    expect(there('syn', 'ack').verdict).toBe('pass');
    expect(bytes(send('ack').data)).toBe(toThere('ack'));
  });

  test('a port used again towards the same backend has both entries at once, over a living flow and over its end', () => {
    add();
    send('ack');
    here('ack');
    syn();
    expect([sides(), entry('reply')?.state]).toEqual([['reply', 'request'], []]);
    send('rst');
    expect(syn()).toMatchObject({ events: [{ kind: 'verdict' }] });
    expect([sides(), states()]).toEqual([['reply', 'request'], [[], []]]);
  });

  test('the entry of the client\'s packets alone is left: the answer finds it', () => {
    add();
    send('ack');
    sandbox.dropFlows((each) => each.service?.side === 'reply');
    syn();
    expect(entry('reply')?.state).toEqual(['unanswered']);
    expect(here('syn', 'ack').verdict).toBe('redirect');
    expect([sides(), entry('reply')?.state, entry('request')?.state]).toEqual([['reply', 'request'], [], ['confirmed']]);
  });

  test('another CPU was first: the entry is taken as it is', () => {
    add();
    syn();
    here('syn', 'ack');
    send('ack');
    const map = sandbox.map('cilium_flows');
    for (const [key, value] of [...map.entries()]) {
      const each = decodeBytes(flow, value);
      if ((each.flags & FLOW_FLAG.REPLY_REWRITE) !== 0) map.update(key, encodeBytes(flow, { ...each, state: each.state | FLOW_STATE.HALF }));
    }
    expect(entry('reply')?.state).toContain('unanswered');
    expect(here('ack').verdict).toBe('redirect');
    expect(states()).toEqual([['confirmed'], ['confirmed']]);
  });

  test('the loss of either entry later is mended as ever', () => {
    add();
    syn();
    here('syn', 'ack');
    send('ack');
    for (const lost of ['request', 'reply']) {
      sandbox.dropFlows((each) => each.service?.side === lost);
      sandbox.age(1);
      if (lost === 'request') here('ack');
      else send('ack');
      expect([sides(), states()]).toEqual([['reply', 'request'], [['confirmed'], ['confirmed']]]);
    }
  });

  test('a backend that has ended may not answer; the SYN comes again and finds another', () => {
    const index = add();
    syn();
    services.endBackend(index);
    move(THERE);
    expect(here('syn', 'ack')).toMatchObject(MISLED);
    expect(sides()).toEqual(['reply']);
    expect(bytes(syn().data)).toBe(toThere('syn'));
    expect(there('syn', 'ack').verdict).toBe('pass');
    expect(here('syn', 'ack')).toMatchObject(MISLED);
    expect(bytes(send('ack').data)).toBe(toThere('ack'));
    // to be refused by it misleads nobody
    sandbox.clearFlows();
    services.retarget(1, [services.addBackend(1, HERE, TCP)]);
    syn();
    services.endBackend(3);
    expect(here('rst', 'ack').verdict).toBe('redirect');
  });

  test('a backend whose place was given to another may not answer', () => {
    const index = add();
    syn();
    services.setBackend(index, 1, { address: far, port: 7 }, TCP);
    expect(here('syn', 'ack')).toMatchObject(MISLED);
    // an entry of the place's earlier holder is none of the connection's
    sandbox.clearFlows();
    services.setBackend(index, 1, HERE, TCP);
    send('ack');
    sandbox.dropFlows((each) => each.service?.side === 'reply');
    services.setBackend(index, 1, HERE, TCP);
    const generation = entry('request')?.service?.backendGeneration ?? 0;
    syn();
    expect(here('syn', 'ack').verdict).toBe('redirect');
    expect(entry('request')?.service?.backendGeneration).toBe(generation + 1);
  });

  test('policy that changes before the answer decides on the answer', () => {
    add();
    for (const [pod, closed] of [[A, { ingress: { any: ALLOW }, egress: { any: DENY } }], [B, { ingress: { any: DENY }, egress: { any: ALLOW } }]] as const) {
      sandbox.clearFlows();
      syn();
      sandbox.setPolicy(pod, closed);
      expect(here('syn', 'ack')).toMatchObject({ verdict: 'drop', reason: DROP_REASON.POLICY });
      expect(sides()).toEqual(['reply']);
      sandbox.setPolicy(pod, OPEN);
      expect(here('syn', 'ack').verdict).toBe('redirect');
      expect([sides(), states()]).toEqual([['reply', 'request'], [[], []]]);
      move(THERE);
      expect(bytes(send('ack').data)).toBe(toHere('ack'));
      move(HERE);
    }
    // decided anew, it is held against other answers all the same
    sandbox.clearFlows();
    syn();
    move(THERE);
    syn();
    here('syn', 'ack');
    sandbox.setPolicy(A, OPEN);
    expect(there('syn', 'ack')).toMatchObject(MISLED);
    sandbox.age(3);
    expect(there('syn', 'ack')).toMatchObject(MISLED);
  });

  test('the answer of an endpoint to itself', () => {
    add({ address: a, port: BACKEND_PORT });
    syn();
    expect(states()).toEqual([['unanswered']]);
    const answer = sandbox.from(A, fromPod(A, family, LOOPBACK[family], segment(BACKEND_PORT, 4000, 'syn', 'ack')));
    expect(bytes(answer.data)).toBe(bytes(toPod(A, family, vip, segment(PORT, 4000, 'syn', 'ack'))));
    expect([sides(), states()]).toEqual([['reply', 'request'], [[], []]]);
    move(HERE);
    expect(bytes(send('ack').data)).toBe(bytes(toPod(A, family, LOOPBACK[family], segment(4000, BACKEND_PORT, 'ack'))));
  });

  test('an ICMP error about the SYN is the service\'s, and is no answer', () => {
    add(THERE);
    const arrived = syn().data;
    const error = sandbox.to(A, toPod(A, family, far, unreachable(family), quoted(arrived)), UPLINK);
    expect(bytes(error.data)).toBe(bytes(toPod(A, family, vip, unreachable(family), quoted(frame(family, [a, vip], [segment(4000, PORT, 'syn')])))));
    sandbox.setPolicy(A, OPEN);
    expect(sandbox.to(A, toPod(A, family, far, unreachable(family), quoted(arrived)), UPLINK).verdict).toBe('pass');
    expect([sides(), states()]).toEqual([['reply'], [['unanswered']]]);
    there('syn', 'ack');
    expect(sides()).toEqual(['reply', 'request']);
  });

  test('the answer by way of the stack', () => {
    add();
    const last = { mac: A.mac, gateway: A.hostMac, ip: { ttl: 1, hopLimit: 1 } };
    expect(sandbox.from(A, frame(family, [a, vip], [segment(4000, PORT, 'syn')], last)).verdict).toBe('pass');
    expect(sandbox.to(B, toPod(B, family, a, segment(4000, BACKEND_PORT, 'syn')), device(A)).verdict).toBe('pass');
    expect(entry('reply')).toMatchObject({ viaStack: true, state: ['unanswered'] });
    sandbox.setPolicy(B, OPEN);
    expect(sandbox.to(B, toPod(B, family, a, segment(4000, BACKEND_PORT, 'ack')), device(A)).verdict).toBe('pass');
    expect(entry('reply')?.state).toEqual(['confirmed', 'unanswered']);
    expect(here('syn', 'ack').verdict).toBe('pass');
    expect(sides()).toEqual(['reply', 'request']);
    expect(bytes(sandbox.to(A, toPod(A, family, b, segment(BACKEND_PORT, 4000, 'syn', 'ack')), device(B)).data)).toBe(bytes(toPod(A, family, vip, segment(PORT, 4000, 'syn', 'ack'))));
  });

  test('the answer of the node from an address that the maps do not know yet', async () => {
    const late = family === 4 ? '10.99.0.1' : 'fd99::1';
    await sandbox.addNodeAddress(late);
    add({ address: late, port: 7 });
    expect(syn().verdict).toBe('pass');
    expect(sandbox.to(A, toPod(A, family, late, segment(7, 4000, 'syn', 'ack'))).verdict).toBe('pass');
    expect([sides(), states()]).toEqual([['reply', 'request'], [[], []]]);
    move(HERE);
    expect(bytes(send('ack').data)).toBe(bytes(fromPod(A, family, late, segment(4000, 7, 'ack'))));
  });

  test('a SYN in fragments has both entries at once', () => {
    add();
    const cut = family === 4 ? fragmentIpv4 : fragmentIpv6;
    for (const each of cut(fromPod(A, family, vip, segment(4000, PORT, 'syn'), payload(2000)), 800, 77)) expect(sandbox.from(A, each).verdict).toBe('redirect');
    expect(sides()).toEqual(['reply', 'request']);
    expect(states().flat()).not.toContain('unanswered');
  });

  test('what ran to the address before it was a service\'s does not stand in the way', () => {
    send('ack');
    add();
    sandbox.bumpAddress(vip);
    syn();
    expect(sides()).toEqual(['reply', undefined]);
    here('syn', 'ack');
    expect(sides()).toEqual(['reply', 'request']);
  });

  test('a client\'s packet before the answer, as after the loss of an entry, makes both', () => {
    add();
    syn();
    expect(bytes(send('ack').data)).toBe(toHere('ack'));
    expect([sides(), states()]).toEqual([['reply', 'request'], [['confirmed'], ['confirmed']]]);
  });
});

test('an answer for which the table has no room does not get through', async () => {
  using one = createMap({ type: 'hash', name: 'one', keySize: 40, valueSize: flow.size, maxEntries: 1, flags: 1 });
  using crowded = await Sandbox.open({}, {}, { cilium_flows: one });
  const written = new Services(crowded);
  await crowded.addPod(A);
  await crowded.addPod(B);
  written.add({ id: 1, address: VIP[4], port: PORT, protocol: TCP, backends: [{ address: B.ipv4, port: BACKEND_PORT }] });
  expect(crowded.from(A, fromPod(A, 4, VIP[4], segment(4000, PORT, 'syn'))).verdict).toBe('redirect');
  const answer = fromPod(B, 4, A.ipv4, segment(BACKEND_PORT, 4000, 'syn', 'ack'));
  for (let n = 0; n < 2; n++) expect(crowded.from(B, answer)).toMatchObject({ verdict: 'drop', reason: DROP_REASON.FLOW_INSERT_FAILED });
});
