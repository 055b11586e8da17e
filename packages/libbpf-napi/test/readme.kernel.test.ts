import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { libraryPath } from './sandbox.ts';

test('the first example of the README prints what it says', () => {
  const readme = readFileSync(fileURLToPath(new URL('../README.md', import.meta.url)), 'utf8');
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const output = /```text\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const script = code.replace("'libbpf-napi'", JSON.stringify(libraryPath()));
  expect(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 30_000 })).toBe(output);
});
