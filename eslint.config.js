// One configuration for the whole tree: TypeScript rules, file and function sizes, and the direction of dependencies.
import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import globals from 'globals';
import ts from 'typescript-eslint';

const layer = (source, ...targets) => ({
  sourceTag: `layer:${source}`,
  onlyDependOnLibsWithTags: targets.map((target) => `layer:${target}`),
});

/** Who may import whom, from the ground up; docs/architecture.md draws the same picture. */
const depConstraints = [
  layer('base'),
  layer('manifest', 'base'),
  layer('maps', 'base'),
  layer('layout', 'base', 'maps'),
  layer('model', 'base'),
  layer('policy', 'base', 'model', 'manifest'),
  layer('balancer', 'base', 'manifest'),
  layer('kernel', 'base'),
  layer('dataplane', 'base', 'maps', 'layout', 'kernel'),
  layer('api', 'base'),
  layer('app', 'base', 'manifest', 'maps', 'layout', 'model', 'policy', 'balancer', 'kernel', 'dataplane', 'api'),
  layer('test', 'base', 'maps', 'layout', 'kernel', 'dataplane'),
  layer('tool', 'base', 'manifest', 'maps', 'layout', 'model', 'policy', 'balancer', 'kernel', 'dataplane', 'api', 'test', 'tool'),
  { sourceTag: 'platform:pure', onlyDependOnLibsWithTags: ['platform:pure'] },
];

/** What a package that promises to run anywhere may not import. */
const nodeOnly = { group: ['node:*'], message: 'This package is pure: it runs without Node and without Linux.' };
const pure = ['core', 'manifest', 'identity', 'policy-model', 'loadbalancer', 'bpf-maps', 'datapath-layout', 'reconciler'];

export default ts.config(
  { ignores: ['**/dist/', '**/node_modules/', '**/prebuilds/', '**/generated/', '.nx/', '**/.cache/'] },
  js.configs.recommended,
  ts.configs.recommended,
  {
    languageOptions: { globals: globals.node },
    plugins: { '@nx': nx },
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, skipComments: true }],
      'max-params': ['error', { max: 4 }],
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Control characters and empty interfaces occur in protocol code on purpose.
      'no-control-regex': 'off',
    },
  },
  {
    files: ['{packages,apps,tools}/*/src/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { depConstraints, enforceBuildableLibDependency: false, banTransitiveDependencies: true, checkDynamicDependenciesExceptions: ['.*'] },
      ],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  { files: pure.map((name) => `packages/${name}/src/**/*.ts`), rules: { 'no-restricted-imports': ['error', { patterns: [nodeOnly] }] } },
  // Commands speak to people; a suite is one long function by nature.
  { files: ['tools/**/*.mjs', 'tools/*/src/**/*.ts', 'apps/cilium-cli/src/**/*.ts', '**/examples/**'], rules: { 'no-console': 'off' } },
  { files: ['**/test/**/*.ts', '**/compliance/**/*.ts', '**/compliance.ts'], rules: { 'max-lines-per-function': 'off', 'no-console': 'off' } },
);
