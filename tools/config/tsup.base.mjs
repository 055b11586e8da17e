// The one place that knows the bundler: swapping it is a change to this file.
import { defineConfig } from 'tsup';

/** A publishable package: one entry, types, and every dependency left external. */
export const library = (options = {}) =>
  defineConfig({ entry: ['src/index.ts'], format: ['esm'], target: 'node20', dts: { compilerOptions: { ignoreDeprecations: '5.0', noEmit: false, allowImportingTsExtensions: true, emitDeclarationOnly: true, customConditions: [] } }, clean: true, sourcemap: true, silent: true, ...options });

/** A command: one executable file, no types. */
export const app = (options = {}) =>
  defineConfig({ entry: ['src/main.ts'], format: ['esm'], target: 'node20', clean: true, sourcemap: true, silent: true, banner: { js: '#!/usr/bin/env node' }, ...options });
