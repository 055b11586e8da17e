import { SERVICE_FLAG } from '@cilium-ts/datapath-layout';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SocketPeer } from './peer.ts';
import { SocketRig } from './rig.ts';
import { runPosition, serviceHash } from './service-hash.ts';

const SEED = 0xdead_beef;
const UDP = 17;
let rig: SocketRig;
let client: SocketPeer;

beforeAll(async () => {
  rig = await SocketRig.open({ serviceSeed: SEED });
  client = rig.peer();
  for (let index = 1; index <= 100; index++) rig.tables.backend(index, '10.1.0.1', 8000 + index);
});
afterAll(() => rig.close());

const clientOf = (...halves: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(halves).buffer);

describe('selection', () => {
  it('takes the backend that the hash of the socket’s cookie leads to, for 12,000 sockets', async () => {
    const run = Array.from({ length: 251 }, (_, place) => 1 + ((place * 37) % 100));
    rig.tables.service({ id: 1, address: '10.96.0.1', port: 53, run });
    let wrong = 0;
    const seen = new Map<number, number>();
    const cookies = new Set<bigint>();
    for (let round = 0; round < 6; round++) {
      const { handle, failures } = await client.ask('many', { count: 2000, address: '10.96.0.1', port: 53 });
      expect(failures).toEqual([]);
      for (const { cookie, backend } of rig.loadBalancer.sockets()) {
        const expected = run[runPosition(serviceHash(SEED, clientOf(cookie, 0n), { source: 0, destination: 53 }, UDP), run.length)];
        if (backend.index !== expected) wrong++;
        seen.set(backend.index, (seen.get(backend.index) ?? 0) + 1);
        cookies.add(cookie);
      }
      await client.ask('close', { handle });
    }
    expect({ wrong, sockets: cookies.size, backends: seen.size }).toEqual({ wrong: 0, sockets: 12_000, backends: 100 });
    // 120 sockets each, less than 6 standard deviations off (11 each)
    for (const count of seen.values()) expect(Math.abs(count - 120)).toBeLessThan(90);
  });
});

describe('session affinity', () => {
  const service = { id: 2, address: '10.96.0.2', port: 53, flags: SERVICE_FLAG.AFFINITY, pool: 7, affinityTimeout: 3600 };
  const held = (id: number) => new Set(rig.loadBalancer.sockets().filter((each) => each.service === id).map(({ backend }) => backend.index));
  const connectSome = async (address: string): Promise<number> => (await client.ask('many', { count: 20, address, port: 53 })).handle!;

  beforeAll(() => {
    for (let index = 201; index <= 210; index++) rig.tables.backend(index, '10.1.0.2', 8000 + index, { pool: 7 });
  });

  it('keeps all sockets of a network namespace on one backend, by the hash of its cookie at first', async () => {
    const run = [201, 202, 203, 204, 205, 206, 207, 208, 209, 210];
    rig.tables.service({ ...service, run });
    const handle = await connectSome(service.address);
    const netns = rig.loadBalancer.sockets()[0]!.netnsCookie;
    const chosen = run[runPosition(serviceHash(SEED, clientOf(netns, 0xffff_ffff_ffff_ffffn), { source: 0, destination: 53 }, UDP), run.length)]!;
    expect([...held(2)]).toEqual([chosen]);
    rig.tables.retarget(2, run.toReversed());
    const more = await connectSome(service.address);
    expect([...held(2)]).toEqual([chosen]);
    for (const each of [handle, more]) await client.ask('close', { handle: each });
  });

  it('holds for all services of the pool, and ends with the backend', async () => {
    const [before] = [...(await (async () => {
      const handle = await connectSome(service.address);
      const found = held(2);
      await client.ask('close', { handle });
      return found;
    })())];
    rig.tables.service({ ...service, id: 3, address: '10.96.0.3', port: 53, run: [201, 202] });
    let handle = await connectSome('10.96.0.3');
    expect([...held(3)]).toEqual([before]);
    await client.ask('close', { handle });
    rig.tables.end(before!);
    rig.tables.retarget(3, [before === 202 ? 203 : 202]);
    handle = await connectSome('10.96.0.3');
    expect([...held(3)]).toEqual([before === 202 ? 203 : 202]);
    await client.ask('close', { handle });
  });

  it('is forgotten after its time-out, and at once with a time-out of 0', async () => {
    rig.tables.service({ ...service, id: 4, address: '10.96.0.4', affinityTimeout: 0, pool: 8, run: [1] });
    for (let index = 1; index <= 3; index++) rig.tables.backend(index, '10.1.0.1', 8000 + index, { pool: 8 });
    for (const run of [[1], [2], [3]]) {
      rig.tables.retarget(4, run);
      const handle = await connectSome('10.96.0.4');
      expect([...held(4)]).toEqual(run);
      await client.ask('close', { handle });
    }
  });
});
