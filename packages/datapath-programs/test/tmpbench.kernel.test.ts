import { ethernet, ipv4, ipv6, packet, payload, tcp } from '@cilium-ts/testkit';
import { expect, test } from 'vitest';
import { buildWrapper } from '../../../tools/bench/src/build-tools.ts';
import { wrapProgram, type WrappedProgram } from '../../../tools/bench/src/packet/wrapped-program.ts';
import { ALLOW, DENY, Sandbox, device, type Pod, type Row } from './packet/sandbox.ts';
const A: Pod = { slot: 1, identity: 1001, ipv4: '10.0.0.1', ipv6: 'fd00::1', mac: '02:00:00:00:01:01', hostMac: '02:00:00:00:01:02' };
const B: Pod = { slot: 2, identity: 1002, ipv4: '10.0.0.2', ipv6: 'fd00::2', mac: '02:00:00:00:02:01', hostMac: '02:00:00:00:02:02' };
const WEB: Row = [[0, 'default'], [6 * 65536 + 80, 'allow'], [6 * 65536 + 81, 'default'], [6*65536+90,'allow'],[6*65536+91,'default']];
const seg = (f: number, p: number, flags: any) => packet(ethernet({ source: A.mac, destination: A.hostMac }), f === 4 ? ipv4({ source: A.ipv4!, destination: B.ipv4! }) : ipv6({ source: A.ipv6!, destination: B.ipv6! }), tcp({ sourcePort: 10000, destinationPort: p, flags }), payload(new Uint8Array(16)));
const rseg = (f: number, p: number, flags: any) => packet(ethernet({ source: B.mac, destination: B.hostMac }), f === 4 ? ipv4({ source: B.ipv4!, destination: A.ipv4! }) : ipv6({ source: B.ipv6!, destination: A.ipv6! }), tcp({ sourcePort: p, destinationPort: 10000, flags }), payload(new Uint8Array(16)));
test('bench', async () => {
  const wrapper = buildWrapper();
  const make = async (ev: number) => {
    const s = await Sandbox.open({ events_drop: ev, events_verdict: ev, events_trace: ev }, { cilium_flows: 131072, cilium_policy: 16384, cilium_addresses: 16384, cilium_prefixes: 16384 });
    const by = new Map<number, Row>();
    by.set(1001, WEB); by.set(1002, ALLOW);
    await s.addPod(A, { ingress: { any: DENY, by }, egress: { any: DENY, by } });
    await s.addPod(B, { ingress: { any: DENY, by }, egress: { any: DENY, by } });
    const keys = new Uint8Array(10000 * 12), vals = new Uint8Array(10000 * 4); const kv = new DataView(keys.buffer);
    for (let i = 0; i < 10000; i++) { kv.setUint32(i * 12, 7777, true); kv.setUint32(i * 12 + 8, 20000 + i, true); }
    s.map('cilium_policy').updateBatch(keys, vals, 10000);
    for (let i = 0; i < 10000; i++) s.addRemote(`10.1.${i >> 8}.${i & 255}/32`, 5000);
    for (let i = 0; i < 10000; i++) s.addRemote(`10.${2 + (i >> 13)}.${(i >> 5) & 255}.${(i & 31) * 8}/29`, 5001);
    return s;
  };
  const q = await make(0), o = await make(1);
  const est = async (s: Sandbox, f: number, n: number) => {
    for (const [pk, pod, rot] of [[seg(f, 80, ['syn']), A, 'source'], [rseg(f, 80, ['syn', 'ack']), B, 'destination'], [seg(f, 80, ['ack']), A, 'source']] as const) {
      const w = await s.node.run(() => 0) as any; void w;
      using wp = await wrapProgram(wrapper, s.object.program('cil_from_container'), { packet: pk, ifindex: device(pod), ports: n, firstPort: 10000, rotate: rot });
      const r = s.node.run(() => wp.burst(n)); if (r.verdict !== 7) throw new Error(`est ${r.verdict}`);
    }
  };
  await est(q, 4, 50000); await est(q, 6, 50000); await est(o, 4, 50000); await est(o, 6, 50000);
  const cases: [string, Sandbox, WrappedProgram, WrappedProgram, () => void][] = [];
  const add = async (name: string, s: Sandbox, target: any, pk: Uint8Array, ports = 1, prep = () => {}) => {
    const w = { packet: pk, ifindex: device(A), ports, firstPort: 10000 };
    cases.push([name, s, await wrapProgram(wrapper, target, w), await wrapProgram(wrapper, 'noop', w), prep]);
  };
  const clear = (s: Sandbox) => () => {
    const m = s.map('cilium_flows'); const ks: Uint8Array[] = [];
    if (!(s as any).ks) { for (const k of m.keys()) { const v = new DataView(k.buffer, k.byteOffset); if (v.getUint16(32) === 90 || v.getUint16(34) === 90) ks.push(k.slice()); } if (ks.length < 20000) return; const all = new Uint8Array(ks.length * 40); ks.forEach((k, i) => all.set(k, i * 40)); (s as any).ks = all; }
    m.deleteBatch((s as any).ks, (s as any).ks.length / 40); s.drainEvents();
  };
  const from = (s: Sandbox) => s.object.program('cil_from_container');
  await add('LU', q, 'lookup', seg(4, 80, ['ack']));
  await add('est', q, from(q), seg(4, 80, ['ack']));
  await add('est6', q, from(q), seg(6, 80, ['ack']));
  await add('est50k', q, from(q), seg(4, 80, ['ack']), 50000);
  await add('new', q, from(q), seg(4, 90, ['syn']), 20000, clear(q));
  await add('drop', q, from(q), seg(4, 22, ['syn']));
  await add('dropnew', q, from(q), seg(4, 22, ['syn']), 50000);
  await add('newobs', o, from(o), seg(4, 90, ['syn']), 20000, clear(o));
  await add('dropobs', o, from(o), seg(4, 22, ['syn']), 1, () => { o.drainEvents(); });
  const res = new Map<string, number[][]>(cases.map((c) => [c[0], [[], []]]));
  for (let round = 0; round < 40; round++) for (const [name, s, wp, noop, prep] of cases) {
    prep();
    const e = s.node.run(() => noop.burst(20000)); const b = s.node.run(() => wp.burst(20000));
    res.get(name)![0]!.push(b.nanoseconds); res.get(name)![1]!.push(e.nanoseconds);
  }
  const med = (x: number[]) => [...x].sort((a, b) => a - b)[x.length >> 1]!; const min = (x: number[]) => Math.min(...x);
  const lu = med(res.get('LU')![0]!) - med(res.get('LU')![1]!), lum = min(res.get('LU')![0]!) - min(res.get('LU')![1]!);
  for (const [n, [b, e]] of res) { const v = med(b!) - med(e!), m = min(b!) - min(e!); console.log(n.padEnd(8), v.toFixed(1), (v / lu).toFixed(2), '  min', m.toFixed(1), (m / lum).toFixed(2)); }
  for (const c of cases) { c[2][Symbol.dispose](); c[3][Symbol.dispose](); }
  q.close(); o.close(); expect(1).toBe(1);
}, 300000);
