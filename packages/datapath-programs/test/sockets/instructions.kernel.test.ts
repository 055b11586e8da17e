import { release } from 'node:os';
import { expect, test } from 'vitest';
import type { SocketProgramName } from '../../src/index.ts';
import { SocketRig } from './rig.ts';

/**
 * Instructions that the verifier of Linux 6.18 goes through, and below that of 6.1. Growth over a tenth has to be explained in the commit that
 * changes these numbers; other kernels count a little differently, so they get a fifth.
 */
const RECORDED: Readonly<Record<SocketProgramName, number>> = {
  cil_sock_release: 35, cil_sock4_recvmsg: 73, cil_sock6_recvmsg: 113, cil_sock4_getpeername: 73, cil_sock6_getpeername: 113,
  cil_sock4_sendmsg: 26_450, cil_sock6_sendmsg: 28_200, cil_sock4_connect: 2440, cil_sock6_connect: 3430, cil_sock4_post_bind: 256, cil_sock6_post_bind: 465,
};
/** That of Linux 6.1, the oldest supported, goes through more; a million is its limit. */
const RECORDED_6_1: typeof RECORDED = { ...RECORDED, cil_sock4_sendmsg: 78_520, cil_sock6_sendmsg: 48_120, cil_sock4_connect: 4740, cil_sock6_connect: 3550, cil_sock4_post_bind: 420, cil_sock6_post_bind: 615 };
const recordedHere = /^6\.1\./.test(release()) ? RECORDED_6_1 : RECORDED;
const ROOM = 1.2;

test.each([
  { what: 'as shipped', config: {} },
  { what: 'for the node’s own sockets only', config: { sockHostnsOnly: 1 } },
  { what: 'IPv4 only, without protection', config: { enableIpv6: 0, nodePortBindProtection: 0, externalIpMitigation: 0 } },
])('$what the programs load within their budget of verified instructions', async ({ config }) => {
  await using rig = await SocketRig.open(config);
  for (const [name, recorded] of Object.entries(recordedHere) as [SocketProgramName, number][]) {
    const { verifiedInstructions } = rig.loadBalancer.programs[name].info;
    expect({ name, within: verifiedInstructions <= recorded * ROOM, some: verifiedInstructions > 0 }).toEqual({ name, within: true, some: true });
  }
});
