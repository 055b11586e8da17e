import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const inRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

it('the committed layouts are those of the programs', () => {
  expect(existsSync(inRoot('packages/datapath-programs/objects/bpf_lxc.o'))).toBe(true);
  execFileSync(process.execPath, [inRoot('tools/codegen/generate.mjs'), '--check'], { stdio: 'pipe' });
});
