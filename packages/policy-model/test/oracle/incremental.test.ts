import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePolicy, createPolicyRepository } from '../../src/index.ts';
import { NOTHING } from './generators/features.ts';
import { cases } from './library/cases.ts';
import { load, parse } from './library/load.ts';

test('a repository that changed step by step compiles to what a fresh one compiles to', { timeout: 120_000 }, () => {
  const steps = fc.array(fc.record({ remove: fc.boolean(), which: fc.nat() }), { minLength: 1, maxLength: 12, size: 'max' });
  fc.assert(
    fc.property(cases(NOTHING), steps, ({ scene }, changes) => {
      const { identities } = load(scene);
      const resources = parse(scene.documents);
      const repository = createPolicyRepository();
      for (const { remove, which } of changes) {
        const resource = resources[which % resources.length]!;
        if (remove) repository.remove(resource.key);
        else repository.upsert(resource);
        const fresh = createPolicyRepository();
        fresh.replaceAll(repository.all());
        for (const subject of identities.slice(which % 5, (which % 5) + 3)) {
          const request = { subject, identities, options: scene.options };
          expect(compilePolicy({ ...request, repository }).key).toBe(compilePolicy({ ...request, repository: fresh }).key);
        }
      }
    }),
    { numRuns: 60, seed: 20261122 },
  );
});
