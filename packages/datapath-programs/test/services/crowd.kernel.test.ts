import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ipFromBytes, parseCidr } from '@cilium-ts/core';
import { createNamespace, deleteNamespace, ifIndex, openNetlink, type Namespace } from '@cilium-ts/netlink';
import { ensureBpffs } from 'libbpf-napi';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openServices, openSocketLoadBalancer, type BackendRecord, type PoolRecord, type ServiceRecord, type Services, type SocketLoadBalancer } from '../../src/index.ts';

const SERVICES = 10_000;
const BACKENDS = 10;
/** A third of the services get other backends, all ten. */
const TURNS = 3333;
const SECONDS = 30;
const RATE = 2000;
/** Indexes beyond those in use: so few that each is given to another service within moments. */
const SPARE = 400;

const folder = `/run/ct-crowd-${process.pid}`;
const cgroup = `${cgroupRoot()}/ct-crowd-${process.pid}`;
const children: ChildProcess[] = [];
let node: Namespace;
let sockets: SocketLoadBalancer;
let services: Services;

beforeAll(async () => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mkdirSync(cgroup);
  node = createNamespace(`${folder}/netns`);
  ensureBpffs(`${folder}/bpf`);
  {
    using netlink = openNetlink({ netns: node });
    await netlink.setLink('lo', { up: true });
    // Every address of the backends is one of this namespace.
    await netlink.addRoute({ destination: parseCidr('10.128.0.0/9')!, link: ifIndex(1), type: 'local', scope: 'host', table: 255 });
  }
  sockets = await openSocketLoadBalancer({}, { bpfRoot: `${folder}/bpf`, cgroup });
  services = await openServices({}, sockets.maps);
});

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  await services?.close();
  sockets?.detach();
  sockets?.close();
  node?.close();
  deleteNamespace(`${folder}/netns`);
  execFileSync('umount', ['--lazy', `${folder}/bpf`], { stdio: 'ignore' });
  rmSync(folder, { recursive: true, force: true });
  await removeCgroup();
});

it('replacing a third of 10,000 services’ backends under up to 2,000 connections a second, as many as the machine makes, leads none astray and fails none', async () => {
  const crowd = new Crowd();
  expect(await services.apply(crowd.desired)).toMatchObject({ failures: [] });
  const server = start('server');
  await lines(server).ready;
  const clients = start('clients', SERVICES, RATE, SECONDS, TURNS);
  const output = lines(clients);
  await output.ready;
  const began = now();
  for (let turn = 0; turn < TURNS; ) {
    const due = Math.min(TURNS, Math.floor(((now() - began) / (SECONDS * 1e6)) * TURNS));
    // One at a time, but for a few moments in which many are due at once.
    const count = Math.min(TURNS - turn, turn % 300 === 299 ? 40 : 1);
    if (turn + count > due) await new Promise((resolve) => setTimeout(resolve, 1));
    else {
      const changed = crowd.replace(turn + 1, count);
      const { failures } = await services.apply({ ...crowd.desired, changed });
      crowd.replaced();
      expect(failures).toEqual([]);
      turn += count;
    }
  }
  const seen = (await output.rest).map((line) => line.split(' ') as [string, string, string]);
  const wrong = seen.flatMap(([id, start, result]) => crowd.objection(Number(id), Number(start), result) ?? []);
  console.log(`${seen.length} connections, ${crowd.changes} backends replaced, of which ${seen.filter(([id]) => Number(id) <= TURNS).length} connections to services that changed; ${wrong.length} went wrong`);
  expect(wrong.slice(0, 20)).toEqual([]);
  expect(seen.length).toBeGreaterThan(SECONDS * 100);
}, 600_000);

/** Services whose backends' addresses tell whose they are: 14 bits for the service, 9 for which of its backends. */
class Crowd {
  readonly #services = new Map<number, ServiceRecord>();
  readonly #pools = new Map<number, PoolRecord>();
  readonly #backends = new Map<number, BackendRecord>();
  readonly #free: number[] = [];
  /** When an address had gone, in microseconds; those that are going now have none yet. */
  readonly #gone = new Map<string, number>();
  #going: BackendRecord[] = [];
  changes = 0;

  constructor() {
    let index = 1;
    for (let id = 1; id <= SERVICES; id++) {
      const run = Uint32Array.from({ length: BACKENDS }, () => index++);
      this.#services.set(id, { id, address: ipFromBytes(Uint8Array.of(10, 96, id >> 8, id)), port: 80, protocol: 6, scope: 'external', flags: 0, affinityTimeout: 0, pool: id, sourceRanges: [] });
      this.#fill(id, run, 0);
    }
    for (let n = 0; n < SPARE; n++) this.#free.push(index++);
  }

  get desired() {
    return { records: { services: this.#services, pools: this.#pools, backends: this.#backends }, nodeAddresses: [] };
  }

  /** Gives services other backends, under indexes that other services had. */
  replace(first: number, count: number): { services: number[]; pools: number[]; backends: number[] } {
    const ids = Array.from({ length: count }, (_, n) => first + n);
    const changed: number[] = [];
    const released: number[] = [];
    for (const id of ids) {
      const before = this.#pools.get(id)?.run ?? new Uint32Array(0);
      const run = Uint32Array.from({ length: BACKENDS }, () => this.#free.shift() ?? expect.fail('no index left'));
      for (const index of before) {
        this.#going.push(this.#backends.get(index) ?? expect.fail());
        this.#backends.delete(index);
      }
      released.push(...before);
      this.#fill(id, run, BACKENDS);
      changed.push(...before, ...run);
      this.changes += BACKENDS;
    }
    this.#free.push(...released);
    return { services: [], pools: ids, backends: changed };
  }

  replaced(): void {
    const moment = now();
    for (const { address } of this.#going.splice(0)) this.#gone.set(address.text, moment);
  }

  /** What is wrong with a connection. */
  objection(id: number, start: number, result: string): string | undefined {
    const parts = result.split('.').map(Number);
    if (parts.length !== 4) return `service ${id}: ${result}`;
    const bits = (((parts[1] ?? 0) & 127) << 16) | ((parts[2] ?? 0) << 8) | (parts[3] ?? 0);
    if (bits >> 9 !== id) return `service ${id} led to ${result} of ${bits >> 9}`;
    const gone = this.#gone.get(result);
    return gone !== undefined && start > gone ? `service ${id} led to ${result} ${start - gone} µs after it had gone` : undefined;
  }

  #fill(id: number, run: Uint32Array, from: number): void {
    run.forEach((index, n) => {
      const bits = (id << 9) | (from + n);
      this.#backends.set(index, { index, pool: id, address: ipFromBytes(Uint8Array.of(10, 128 | (bits >> 16), bits >> 8, bits)), port: 8080, protocol: 6, state: 'active', zone: 0 });
    });
    this.#pools.set(id, { id, run });
  }
}

/** Microseconds of the clock that all processes share. */
function now(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function start(...args: (string | number)[]): ChildProcess {
  const script = fileURLToPath(new URL('./crowd.mjs', import.meta.url));
  const enter = args[0] === 'server' ? '' : `echo $$ > '${cgroup}/cgroup.procs' && `;
  const child = spawn('sh', ['-c', `ulimit -n 8192; ${enter}exec nsenter --net='${node.path}' '${process.execPath}' '${script}' ${args.join(' ')}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

/** What a process prints: `ready`, and all else until `end`. */
function lines(child: ChildProcess): { readonly ready: Promise<void>; readonly rest: Promise<string[]> } {
  const input: Interface = createInterface({ input: child.stdout! });
  const rest: string[] = [];
  let onReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (onReady = resolve));
  const all = new Promise<string[]>((resolve) => {
    input.on('line', (line) => {
      if (line === 'ready') onReady();
      else if (line === 'end') resolve(rest);
      else rest.push(line);
    });
  });
  return { ready, rest: all };
}

function cgroupRoot(): string {
  const mount = readFileSync('/proc/self/mounts', 'utf8').split('\n').find((line) => line.split(' ')[2] === 'cgroup2');
  return mount?.split(' ')[1] ?? expect.fail('no cgroup2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified');
}

/** The kernel lets go of a cgroup's last process some time after its end. */
async function removeCgroup(): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return rmdirSync(cgroup);
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
