import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { errorCode, failure, LibbpfError } from '../src/error.ts';
import { explainLoadFailure, loadAddon, prebuildPath } from '../src/native.ts';

test('a missing binary names the platform, the place and the remedy', () => {
  const path = prebuildPath('linux', 'riscv64');
  expect(path).toMatch(/libbpf-napi\/prebuilds\/linux-riscv64\.node$/);
  expect(() => loadAddon(path)).toThrow(expect.objectContaining({ code: 'ADDON_LOAD', path, message: expect.stringMatching(/no prebuilt binary .*build-native/) as string }));
});

test('a broken binary keeps its cause', () => {
  const folder = mkdtempSync(`${tmpdir()}/ct-napi-`);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(`${folder}/x.node`, 'not a binary');
  expect(() => loadAddon(`${folder}/x.node`)).toThrow(expect.objectContaining({ code: 'ADDON_LOAD', cause: expect.any(Error) as Error, message: expect.stringContaining('reinstall') as string }));
});

test.each([
  ['libelf.so.1: cannot open shared object file: No such file or directory', 'apt-get install libelf1'],
  ['libz.so.1: cannot open shared object file: No such file or directory', 'apt-get install zlib1g'],
  ["/lib/libc.so.6: version `GLIBC_2.38' not found (required by x.node)", 'older than GLIBC_2.38'],
  ['Error loading shared library ld-linux-x86-64.so.2: No such file', 'musl'],
  ['something else', 'reinstall'],
])('explains %s', (message, remedy) => {
  expect(explainLoadFailure(message)).toContain(remedy);
});

test('errors carry names for numbers of the kernel and of libbpf', () => {
  expect([1, 2, 7, 11, 17, 28, 95, 524, 4001, 4007, 999].map(errorCode)).toEqual(['EPERM', 'ENOENT', 'E2BIG', 'EAGAIN', 'EEXIST', 'ENOSPC', 'EOPNOTSUPP', 'ENOTSUPP', 'LIBBPF_FORMAT', 'LIBBPF_VERIFY', 'E999']);
  const error = failure(-1, 'doing a thing', { syscall: 'bpf', log: 'libbpf: because' });
  expect(error).toBeInstanceOf(LibbpfError);
  expect(error).toMatchObject({ name: 'LibbpfError', errno: 1, syscall: 'bpf', log: 'libbpf: because' });
  expect(error.message).toBe('doing a thing: not permitted: needs root, or CAP_BPF + CAP_NET_ADMIN (+ CAP_PERFMON for tracing) (EPERM): because');
});
