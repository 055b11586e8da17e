import { createLoadBalancer, parseServices } from '@cilium-ts/loadbalancer';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const folder = new URL('../../../../examples/services/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe('examples/services', () => {
  it.each(names)('%s is accepted as it is, and every frontend has a backend', (name) => {
    const { services, slices, issues } = parseServices(readFileSync(new URL(name, folder), 'utf8'), { file: name });
    expect(issues).toEqual([]);
    const balancer = createLoadBalancer({ nodeName: 'node-1' });
    for (const service of services) balancer.upsertService(service.key, service);
    for (const slice of slices) balancer.setEndpoints(slice.key, slice);
    expect(balancer.problems()).toEqual([]);
    const views = balancer.services();
    expect(views.length).toBeGreaterThan(0);
    for (const { spec } of views) expect(spec['backend-addresses'].some(({ preferred }) => preferred)).toBe(true);
  });

  it('are all in the README', () => {
    const readme = readFileSync(new URL('README.md', folder), 'utf8');
    for (const name of names) expect(readme).toContain(`\`${name}\``);
  });
});
