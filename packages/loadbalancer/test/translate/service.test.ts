import { expect, test } from 'vitest';
import { parseServices } from '../../src/index.ts';

const kept = (metadata: string, spec: string) => {
  const { services, issues } = parseServices(`apiVersion: v1\nkind: Service\nmetadata: {name: web${metadata}}\nspec: {${spec}}\n`);
  expect(issues).toEqual([]);
  return services.map(({ labels, selector }) => ({ labels, selector }));
};
const headless = 'clusterIP: None, ports: [{port: 80}]';

test.each([
  ['labels and selector', ', labels: {tier: edge}', `${headless}, selector: {app: web, track: stable}`, { labels: { tier: 'edge' }, selector: { app: 'web', track: 'stable' } }],
  ['nothing of a service without them', '', headless, {}],
  ['nothing of empty and null ones', ', labels: null', `${headless}, selector: {}`, {}],
  ['no selector of a name elsewhere, as Kubernetes', '', 'type: ExternalName, externalName: example.com, selector: {app: web}', {}],
])('keeps %s', (_, metadata, spec, expected) => {
  expect(kept(metadata, spec)).toEqual([{ labels: undefined, selector: undefined, ...expected }]);
});
