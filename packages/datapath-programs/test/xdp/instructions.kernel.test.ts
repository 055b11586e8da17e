import { expect, it } from 'vitest';
import { CLIENT, frame, openScene, segment, VIP } from './scene.ts';
import { XdpSandbox } from './sandbox.ts';
import { cidrs } from './prefilter-memory.ts';
import { tcp } from '@cilium-ts/testkit';

/** As in test/packet/instructions.kernel.test.ts: growth over a tenth is explained where this number is changed. */
const RECORDED = 9_300;
const ROOM = 1.2;

it.each([
  { what: 'as shipped', config: {} },
  { what: 'with direct return within another packet', config: { dsr_ipip: 1 } },
  { what: 'as prefilter only', config: { xdp_services: 0 } },
])('$what the program loads within its budget of verified instructions', async ({ config }) => {
  using sandbox = await XdpSandbox.open(config);
  const { verifiedInstructions } = sandbox.object.program('cil_xdp_entry').info;
  expect([verifiedInstructions > 0, verifiedInstructions <= RECORDED * ROOM ? 'within' : verifiedInstructions]).toEqual([true, 'within']);
});

it('as prefilter only it drops what is denied, and leaves services to the stack', async () => {
  using scene = await openScene({ xdp_services: 0 });
  scene.add(4);
  expect(scene.sandbox.run(segment(4)).verdict).toBe('pass');
  const prefilter = await scene.sandbox.prefilter();
  await prefilter.add(cidrs(CLIENT[4]));
  expect(scene.sandbox.run(segment(4)).verdict).toBe('drop');
  expect(scene.sandbox.run(frame(4, ['192.168.0.12', VIP[4]], [tcp({ sourcePort: 1, destinationPort: 80 })])).verdict).toBe('pass');
});
