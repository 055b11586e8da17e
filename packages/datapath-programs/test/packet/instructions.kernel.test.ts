import { expect, test } from 'vitest';
import { Sandbox } from './sandbox.ts';

/**
 * Instructions that the verifier goes through: of Linux 6.18, or five sixths of what 6.1 counts where that is more
 * (cil_to_container: 26,000 and 33,500). Growth over a tenth has to be explained in the commit that changes these numbers.
 */
const RECORDED = { cil_from_container: 34_000, cil_to_container: 28_000, cil_clock: 13 } as const;
const ROOM = 1.2;

test.each([
  { what: 'as shipped', config: {} },
  { what: 'IPv4 only, single stack', config: { enable_ipv6: 0, world_ipv4: 2 } },
  { what: 'IPv6 only, single stack', config: { enable_ipv4: 0, world_ipv6: 2 } },
  { what: 'without events', config: { events_drop: 0, events_verdict: 0, events_trace: 0 } },
  { what: 'with other time-outs, at 1000 Hz', config: { jiffies_per_second: 1000, timeout_tcp: 60, timeout_any: 5 } },
])('$what the programs load within their budget of verified instructions', async ({ config }) => {
  using sandbox = await Sandbox.open(config);
  for (const [name, recorded] of Object.entries(RECORDED)) {
    const { verifiedInstructions } = sandbox.object.program(name).info;
    expect(verifiedInstructions, name).toBeGreaterThan(0);
    expect(verifiedInstructions, name).toBeLessThanOrEqual(recorded * ROOM);
  }
});
