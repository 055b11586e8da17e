import { payload, type TcpFlag } from '@cilium-ts/testkit';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { NODE, NodeSandbox } from './node-sandbox.ts';
import { datagram, ends, FAMILIES, FAR, frame, of, POD, SECOND, segment, type Family } from './packets.ts';

/** 32 ports, 16 of them in the range that is tried first. */
const FEW = { nat_port_min: 61_000, nat_port_max: 61_015, nat_port_wide_min: 60_984, nat_seed: 99 };
const PORTS = { first: 60_984, last: 61_015 };
const THIRD = { slot: 3, ipv4: '10.0.0.3', ipv6: 'fd00::3' } as const;
const PODS = [POD, SECOND, THIRD];
/** Seconds for which an entry is remembered, and those in which the test may run: what passes of itself is nothing to it. */
const TIMEOUT = 600_000;
const SLACK = 20_000;

let node: NodeSandbox;
afterEach(() => node.close());

/** Numbers from 0 to 1 that are the same each time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe.each(FAMILIES.flatMap(({ family }) => [1, 2].map((seed) => ({ family, seed }))))('IPv$family, seed $seed', ({ family, seed }) => {
  test('two live connections never have one tuple, and each answer finds the one it answers', async () => {
    node = await NodeSandbox.open({ ...FEW, timeout_any: TIMEOUT });
    for (const pod of PODS) node.addPod(pod);
    const next = random(seed);
    const pick = (below: number): number => Math.floor(next() * below);
    /** By sender and destination: the port it was given, and when it was last seen. */
    const live = new Map<string, { readonly sender: number; readonly sport: number; readonly dport: number; port: number; seen: number }>();
    let now = 0;
    let dropped = 0;
    for (let step = 0; step < 2000; step++) {
      const [sender, sport, dport] = [pick(4), 60_990 + pick(30), 53 + pick(2)];
      if (next() < 0.02) {
        const seconds = 1 + pick(400_000);
        now += seconds + 1;
        node.age(seconds);
        continue;
      }
      const known = [...live.values()].filter(({ seen }) => now - seen < TIMEOUT - SLACK);
      if (next() < 0.3 && known.length > 0) {
        const flow = known[pick(known.length)]!;
        const answer = node.incoming(frame(family, [FAR[family], NODE[family]], [datagram(flow.dport, flow.port)]));
        const to = flow.sender === 3 ? NODE[family] : of(PODS[flow.sender]!, family);
        expect(ends(answer)).toMatchObject({ to, ports: [flow.dport, flow.sport] });
        flow.seen = now;
        continue;
      }
      // the fourth sender is the node itself
      const key = `${sender} ${sport} ${dport}`;
      const before = live.get(key);
      const passage = sender === 3 ? node.leaving(frame(family, [NODE[family], FAR[family]], [datagram(sport, dport)]), 0) : node.leaving(frame(family, [of(PODS[sender]!, family), FAR[family]], [datagram(sport, dport)]), PODS[sender]!);
      if (passage.verdict === 'drop') {
        expect(passage.reason).toBe(167);
        expect(before === undefined || now - before.seen >= TIMEOUT - SLACK).toBe(true);
        dropped++;
        live.delete(key);
        continue;
      }
      const port = ends(passage).ports[0]!;
      if (before !== undefined && now - before.seen < TIMEOUT - SLACK && sender !== 3) expect(port).toBe(before.port);
      const rivals = [...live].filter(([other, flow]) => other !== key && flow.dport === dport && flow.port === port && now - flow.seen < TIMEOUT - SLACK);
      // a socket of the node that nobody holds is not seen: its port may be given away, and it then gets another one
      expect(rivals.filter(([, flow]) => flow.sender !== 3)).toEqual([]);
      for (const [other] of rivals) live.delete(other);
      if (sender !== 3) expect(port >= PORTS.first && port <= PORTS.last).toBe(true);
      // what leaves under its own port is not in the table: answers are the node's anyway
      live.set(key, { sender, sport, dport, port, seen: now });
    }
    expect(dropped).toBeGreaterThan(0);
    expect(node.counted(167)).toBe(dropped);
  });
});

const WORKER = `
import { parentPort, workerData } from 'node:worker_threads';
const { openProgramById, skbContext } = await import(workerData.libbpf);
const { openNamespace } = await import(workerData.netlink);
const program = openProgramById(workerData.program);
const namespace = openNamespace(workerData.netns);
const gate = new Int32Array(workerData.gate);
parentPort.on('message', ({ frames, ifindex, ingressIfindex, at }) => namespace.run(() => {
  Atomics.add(gate, at, 1);
  while (Atomics.load(gate, at) < 2);
  const results = frames.map((data) => { const { retval, dataOut } = program.testRun({ data, ctx: skbContext({ ifindex, ingressIfindex }) }); return retval === 2 ? 0 : dataOut[workerData.at] * 256 + dataOut[workerData.at + 1]; });
  parentPort.postMessage(results);
}));
parentPort.postMessage('ready');`;

async function startWorker(family: Family, gate: SharedArrayBuffer): Promise<Worker> {
  const built = (name: string): string => new URL(`../../../${name}/dist/index.js`, import.meta.url).href;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`), {
    execArgv: [],
    workerData: { libbpf: built('libbpf-napi'), netlink: built('netlink'), program: node.object.program('cil_to_netdev').info.id, netns: node.node.path, gate, at: 14 + (family === 4 ? 20 : 40) },
  });
  await once(worker, 'message');
  return worker;
}

test.each(FAMILIES)('two CPUs that look for ports at once never find the same, IPv$family', async ({ family }) => {
  node = await NodeSandbox.open({ ...FEW, nat_port_min: 60_984 });
  for (const pod of PODS) node.addPod(pod);
  const rounds = 60;
  const gate = new SharedArrayBuffer(4 * rounds);
  const workers = [await startWorker(family, gate), await startWorker(family, gate)];
  try {
    for (let at = 0; at < rounds; at++) {
      const sports = Array.from({ length: 12 }, (_, index) => 40_000 + at * 16 + index);
      const results = await Promise.all(workers.map(async (worker, which) => {
        const frames = sports.map((sport) => frame(family, [of(PODS[which]!, family), FAR[family]], [datagram(sport, 53), payload('x')]));
        const answered = once(worker, 'message');
        worker.postMessage({ frames, ifindex: 20, ingressIfindex: 1001 + which, at });
        return ((await answered) as [number[]])[0];
      }));
      const given = results.flat().filter((port) => port !== 0);
      expect(new Set(given).size).toBe(given.length);
      expect(given.length).toBeGreaterThan(16);
      for (const [which, ports] of results.entries()) {
        for (const [index, port] of ports.entries()) {
          if (port === 0) continue;
          expect(ends(node.incoming(frame(family, [FAR[family], NODE[family]], [datagram(53, port)])))).toMatchObject({ to: of(PODS[which]!, family), ports: [53, sports[index]] });
        }
      }
      // all forgotten, none evicted: the next round takes their places over
      node.age(100);
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});

/** One port for everybody. */
const ONE = { nat_port_min: 61_000, nat_port_max: 61_000, nat_port_wide_min: 61_000, nat_seed: 99 };

test.each(FAMILIES)('after a reset the port is the connection’s own until another has taken it, then only the other’s, IPv$family', async ({ family }) => {
  node = await NodeSandbox.open(ONE);
  for (const pod of PODS) node.addPod(pod);
  const leave = (pod: (typeof PODS)[number], ...flags: TcpFlag[]) => node.leaving(frame(family, [of(pod, family), FAR[family]], [segment(40_000, 443, ...flags)]), pod);
  const answer = () => ends(node.incoming(frame(family, [FAR[family], NODE[family]], [segment(443, 61_000, 'ack')])));
  leave(POD, 'syn');
  leave(POD, 'ack');
  node.incoming(frame(family, [FAR[family], NODE[family]], [segment(443, 61_000, 'rst')]));
  expect(leave(SECOND, 'syn')).toMatchObject({ verdict: 'drop', reason: 167 });
  node.age(60);
  expect(ends(leave(SECOND, 'syn')).ports).toEqual([61_000, 443]);
  expect(answer().to).toBe(of(SECOND, family));
  expect(leave(POD, 'ack')).toMatchObject({ verdict: 'drop', reason: 167 });
  expect(answer().to).toBe(of(SECOND, family));
  expect(ends(leave(SECOND, 'ack')).ports).toEqual([61_000, 443]);
});

test.each(FAMILIES)('who goes on after a reset and who takes the port at the same moment do not both get it, IPv$family', async ({ family }) => {
  node = await NodeSandbox.open(ONE);
  for (const pod of PODS) node.addPod(pod);
  const rounds = 150;
  const gate = new SharedArrayBuffer(4 * rounds);
  const workers = [await startWorker(family, gate), await startWorker(family, gate)];
  const data = (pod: (typeof PODS)[number], ...flags: TcpFlag[]): Uint8Array => frame(family, [of(pod, family), FAR[family]], [segment(40_000, 443, ...flags), payload('x')]);
  const won = [0, 0];
  try {
    for (let at = 0; at < rounds; at++) {
      for (const flag of ['syn', 'ack'] as const) expect(ends(node.leaving(data(POD, flag), POD)).ports[0]).toBe(61_000);
      node.incoming(frame(family, [FAR[family], NODE[family]], [segment(443, 61_000, 'rst')]));
      node.age(60);
      const results = await Promise.all(workers.map(async (worker, which) => {
        const answered = once(worker, 'message');
        worker.postMessage({ frames: [data(PODS[which]!, which === 0 ? 'ack' : 'syn')], ifindex: 20, ingressIfindex: 1001 + which, at });
        return ((await answered) as [number[]])[0][0]!;
      }));
      const winners = results.flatMap((port, which) => (port === 61_000 ? [which] : []));
      expect([at, winners.length]).toEqual([at, 1]);
      won[winners[0]!]!++;
      expect(ends(node.incoming(frame(family, [FAR[family], NODE[family]], [segment(443, 61_000, 'ack')]))).to).toBe(of(PODS[winners[0]!]!, family));
      node.evict(() => true);
    }
    expect(won[0]! + won[1]!).toBe(rounds);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});

test('exhaustion is counted, and costs nobody who has a port', async () => {
  node = await NodeSandbox.open({ ...FEW, nat_port_min: 60_984 });
  node.addPod(POD);
  const send = (sport: number) => node.leaving(frame(4, [POD.ipv4, FAR[4]], [datagram(sport, 53)]), POD);
  const sports = Array.from({ length: 200 }, (_, at) => 40_000 + at);
  const given = sports.map((sport) => [sport, send(sport)] as const).filter(([, passage]) => passage.verdict !== 'drop').map(([sport, passage]) => [sport, ends(passage).ports[0]!] as const);
  // 32 ports; each one is missed by a search only with some luck
  expect(given.length).toBeGreaterThanOrEqual(30);
  expect(given.length).toBeLessThanOrEqual(32);
  expect(node.counted(167)).toBe(200 - given.length);
  for (const [sport, port] of given) expect(ends(send(sport)).ports[0]).toBe(port);
  // another destination has them all
  expect(ends(node.leaving(frame(4, [POD.ipv4, '203.0.113.10'], [datagram(50_000, 53)]), POD)).from).toBe(NODE[4]);
});

test.each(FAMILIES)('ports of the node’s own sockets and services are not given away, IPv$family', async ({ family }) => {
  node = await NodeSandbox.open({ ...FEW, nat_port_min: 60_984 });
  node.addPod(POD);
  const taken = Array.from({ length: 24 }, (_, at) => PORTS.first + at);
  const service = PORTS.first + 24;
  node.addService({ address: NODE[family], port: service, protocol: 17, backends: [{ address: of(POD, family), port: 80 }] });
  const bind = `Promise.all(${JSON.stringify(taken)}.map((port) => new Promise((done) => require('dgram').createSocket({ type: 'udp${family}', ipv6Only: ${family === 6} }).bind(port, done)))).then(() => console.log('bound'))`;
  const child = spawn('nsenter', [`--net=${node.node.path}`, process.execPath, '-e', bind], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    const given = Array.from({ length: 60 }, (_, at) => node.leaving(frame(family, [of(POD, family), FAR[family]], [datagram(40_000 + at, 53)]), POD))
      .filter(({ verdict }) => verdict !== 'drop')
      .map((passage) => ends(passage).ports[0]!);
    expect(given.length).toBeGreaterThan(3);
    expect(given.filter((port) => taken.includes(port) || port === service)).toEqual([]);
  } finally {
    child.kill('SIGKILL');
  }
});
