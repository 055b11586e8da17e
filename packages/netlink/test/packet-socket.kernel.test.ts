import { afterEach, beforeEach, expect, it } from 'vitest';

import { ifIndex, openPacketSocket, sendFrame } from '../src/index.ts';
import type { Frame, Namespace, PacketSocket } from '../src/index.ts';
import { createScratch, untilRunning } from './helpers.ts';
import type { Scratch } from './helpers.ts';

let scratch: Scratch;
let node: Namespace;
let pod: Namespace;
beforeEach(async () => {
  scratch = createScratch();
  node = scratch.namespace('node');
  pod = scratch.namespace('pod');
  const [inNode, inPod] = [scratch.netlink(node), scratch.netlink(pod)];
  await inNode.createVeth({ name: 'a', index: ifIndex(100), up: true, peer: { name: 'b', index: ifIndex(200), netns: pod } });
  await inPod.setLink('b', { up: true });
  await Promise.all([untilRunning(inNode, 'a'), untilRunning(inPod, 'b')]);
});
afterEach(() => scratch.close());

/** An Ethernet frame of the local experimental type 0x88b5 (IEEE 802). */
const frame = (mark: number): Uint8Array => {
  const bytes = new Uint8Array(60).fill(mark);
  bytes.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  return bytes;
};
const isOurs = (bytes: Uint8Array): boolean => bytes[12] === 0x88 && bytes[13] === 0xb5;

/** The next `count` frames of ours; the kernel may hand them over a moment later, from another thread. */
const collect = async (socket: PacketSocket, count: number): Promise<Frame[]> => {
  const found: Frame[] = [];
  while (found.length < count) {
    found.push(...socket.receive().filter(({ bytes }) => isOurs(bytes)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return found;
};

it('sends frames as they are and sees them arrive, from either side', async () => {
  using far = openPacketSocket({ link: ifIndex(200), netns: pod });
  using near = openPacketSocket({ link: ifIndex(100), netns: node.path });
  expect(near.send(frame(7))).toBe(true);
  expect(sendFrame({ link: ifIndex(100), netns: node }, frame(8))).toBe(true);
  const arrived = await collect(far, 2);
  expect(arrived.map(({ bytes, type }) => [bytes.length, bytes[20], type])).toEqual([[60, 7, 'broadcast'], [60, 8, 'broadcast']]);
  expect((await collect(near, 1))[0]?.type).toBe('outgoing');
  expect(far.send(frame(9))).toBe(true);
  expect((await collect(near, 1)).at(-1)).toMatchObject({ type: 'broadcast' });
});

it('says what is wrong', () => {
  expect(() => openPacketSocket({ link: ifIndex(999), netns: node })).toThrow(expect.objectContaining({ code: 'not-found', operation: 'open packet socket on link 999' }));
  const socket = openPacketSocket({ link: ifIndex(100), netns: node });
  expect(() => socket.send(new Uint8Array(3))).toThrow(expect.objectContaining({ code: 'invalid' }));
  expect(() => socket.send(new Uint8Array(9000))).toThrow(expect.objectContaining({ errnoName: 'EMSGSIZE' }));
  socket.close();
  socket.close();
  expect(() => socket.receive()).toThrow(expect.objectContaining({ code: 'closed' }));
});
