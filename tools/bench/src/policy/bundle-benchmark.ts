import type { Benchmark } from '../benchmark.ts';
import { absolute } from '../result.ts';
import { bundlePolicyModel } from './bundle.ts';

const NAME = 'policy/bundle';

/** How much a program grows that reads policies and explains verdicts. */
export const bundleBenchmark: Benchmark = {
  names: [NAME],
  async run({ progress }) {
    const { bytes, packages } = await bundlePolicyModel();
    progress(packages.map(([name, size]) => `${name} ${(size / 1000).toFixed(1)} kB`).join(', '));
    return [absolute(NAME, bytes / 1000, 'kB', 1)];
  },
};
