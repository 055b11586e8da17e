import { expect, test } from 'vitest';
import { NodeSandbox } from './node-sandbox.ts';

/** As for the programs of endpoints (../packet/instructions.kernel.test.ts). */
const RECORDED = { cil_from_netdev: 20_150, cil_to_netdev: 15_420 } as const;
const ROOM = 1.2;

test.each([
  { what: 'as shipped', config: {} },
  { what: 'without events', config: { events_drop: 0, events_verdict: 0, events_trace: 0 } },
  { what: 'without errors to clients, with other ports', config: { service_reject: 0, nat_port_min: 40_000, nat_port_max: 40_000, nat_port_wide_min: 1024 } },
])('$what the programs load within their budget of verified instructions', async ({ config }) => {
  using sandbox = await NodeSandbox.open(config);
  for (const [name, recorded] of Object.entries(RECORDED)) {
    const { verifiedInstructions } = sandbox.object.program(name).info;
    expect(verifiedInstructions, name).toBeGreaterThan(0);
    expect(verifiedInstructions, name).toBeLessThanOrEqual(recorded * ROOM);
  }
});
