import { defineConfig } from 'vitest/config';

const conditions = ['@cilium-ts/source', 'node', 'import', 'module', 'default'];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions, externalConditions: conditions } } };

// nx asks its tasks for colours; what a test's child processes print is compared as text.
const env = { FORCE_COLOR: '0' };

/** What a kernel test waits for comes at once, or late on a machine that is busy or emulated. */
const patience = { poll: { timeout: 20_000 } };

/** Two projects in every package: unit tests run anywhere, kernel tests need root and run one file at a time. */
export const projects = (root) =>
  defineConfig({
    root,
    test: {
      projects: [
        { ...shared, root, test: { name: 'unit', env, include: ['test/**/*.test.ts'], exclude: ['test/**/*.kernel.test.ts', '**/node_modules/**'], testTimeout: 30_000 } },
        { ...shared, root, test: { name: 'kernel', env, include: ['test/**/*.kernel.test.ts'], pool: 'forks', fileParallelism: false, expect: patience, testTimeout: 60_000, hookTimeout: 180_000 } },
      ],
    },
  });
