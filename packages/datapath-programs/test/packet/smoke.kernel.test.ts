import { ethernet, ipv4, packet, tcp } from '@cilium-ts/testkit';
import { expect, test } from 'vitest';
import { ALLOW, DENY, Sandbox, type Pod } from './sandbox.ts';

const A: Pod = { slot: 1, identity: 1001, ipv4: '10.0.0.1', ipv6: 'fd00::1', mac: '02:00:00:00:01:01', hostMac: '02:00:00:00:01:02' };
const B: Pod = { slot: 2, identity: 1002, ipv4: '10.0.0.2', ipv6: 'fd00::2', mac: '02:00:00:00:02:01', hostMac: '02:00:00:00:02:02' };

test('smoke', async () => {
  using sandbox = await Sandbox.open();
  await sandbox.addPod(A);
  await sandbox.addPod(B);
  const syn = packet(ethernet({ source: A.mac, destination: A.hostMac }), ipv4({ source: A.ipv4!, destination: B.ipv4! }), tcp({ sourcePort: 4000, destinationPort: 80 }));
  const first = sandbox.from(A, syn);
  console.log(first.verdict, first.reason, JSON.stringify(first.events, (k, v) => (typeof v === 'bigint' ? String(v) : v)));
  console.log(sandbox.flows());
  expect(first.verdict).toBe('redirect');
  sandbox.setPolicy(B, { ingress: { any: DENY }, egress: { any: ALLOW } });
  const second = sandbox.from(A, syn);
  expect(second).toMatchObject({ verdict: 'drop', reason: 133 });
});
