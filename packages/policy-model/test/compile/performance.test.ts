import { expect, test } from 'vitest';
import { DEFAULT_POLICY_OPTIONS as options, compilePolicy } from '../../src/index.ts';
import { pod } from '../helpers/identities.ts';
import { cnp, repositoryOf } from '../helpers/policies.ts';

const RULES = 1000;
const IDENTITIES = 3000;

test('a thousand rules and three thousand identities compile within seconds, a new identity within milliseconds', { timeout: 60_000 }, () => {
  const texts = Array.from({ length: RULES }, (_, i) =>
    cnp(
      {
        endpointSelector: { matchLabels: { app: 'web' } },
        ingress: [{ fromEndpoints: [{ matchLabels: { app: `client-${i}` } }], toPorts: [{ ports: [{ port: String(1 + (i % 500)) }] }] }],
      },
      { name: `rule-${i}`, namespace: 'shop' },
    ),
  );
  const repository = repositoryOf(...texts);
  const subject = pod('shop', { app: 'web' });
  const identities = Array.from({ length: IDENTITIES }, (_, i) => pod('shop', { app: `client-${i % 1500}`, replica: String(i) }));
  const timed = (): [number, number] => {
    const start = process.cpuUsage();
    const { ingress } = compilePolicy({ repository, subject, identities, options });
    const { user, system } = process.cpuUsage(start);
    return [(user + system) / 1000, ingress.byIdentity.size];
  };
  const [first, entries] = timed();
  expect(entries).toBe(2000);
  identities.push(pod('shop', { app: 'client-7', replica: 'new' }));
  const [second, more] = timed();
  expect(more).toBe(2001);
  // Milliseconds of processor time, since the machine may be busy; the first is about 200, the second about 1.
  expect(first).toBeLessThan(3000);
  expect(second).toBeLessThan(first);
});
