import { expect, test } from 'vitest';
import { DEFAULT_POLICY_OPTIONS as options, compilePolicy } from '../../src/index.ts';
import { pod } from '../helpers/identities.ts';
import { cnp, repositoryOf } from '../helpers/policies.ts';

const RULES = 1000;
const IDENTITIES = 3000;

test('a thousand rules and three thousand identities compile within seconds, a new identity within milliseconds', () => {
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
    const start = performance.now();
    const { ingress } = compilePolicy({ repository, subject, identities, options });
    return [performance.now() - start, ingress.byIdentity.size];
  };
  const [first, entries] = timed();
  expect(entries).toBe(2000);
  identities.push(pod('shop', { app: 'client-7', replica: 'new' }));
  const [second, more] = timed();
  expect(more).toBe(2001);
  // Generous: the machine may be busy. Alone the first takes about a fifth of a second, the second one millisecond.
  expect(first).toBeLessThan(3000);
  expect(second).toBeLessThan(first);
});
