import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { LibbpfError } from './error.ts';
import type { NativeBinding } from './native-binding.ts';

/** Where the prebuilt binary for this machine is expected; the same path from src/ and from dist/. */
export const prebuildPath = (platform: string = process.platform, arch: string = process.arch): string =>
  fileURLToPath(new URL(`../prebuilds/${platform}-${arch}.node`, import.meta.url));

/** What to do about a failed load, by what the dynamic linker said. */
export const explainLoadFailure = (message: string): string => {
  const missing = /(lib(?:elf|z|bpf)[^:\s]*): cannot open shared object/.exec(message)?.[1];
  if (missing?.startsWith('libelf')) return 'libelf is missing: apt-get install libelf1 (Fedora: elfutils-libelf, Alpine: libelf)';
  if (missing?.startsWith('libz')) return 'zlib is missing: apt-get install zlib1g (Fedora, Alpine: zlib)';
  const glibc = /version `(GLIBC_[\d.]+)' not found/.exec(message)?.[1];
  if (glibc !== undefined) return `the C library is older than ${glibc}: rebuild on this machine with "node tools/build-native.mjs"`;
  if (/musl|ld-linux/.test(message)) return 'the prebuilt binary needs glibc: on musl systems rebuild it from native/src';
  return 'the binary may be damaged or built for another system: reinstall the package';
};

/**
 * Loads an addon binary.
 * @throws LibbpfError `ADDON_LOAD`, naming the path tried and the remedy.
 */
export const loadAddon = (path: string): NativeBinding => {
  const action = 'loading the libbpf-napi addon';
  if (process.platform !== 'linux') throw new LibbpfError('ADDON_LOAD', `${action}: eBPF exists on Linux only, this is ${process.platform}`);
  if (!existsSync(path)) {
    throw new LibbpfError('ADDON_LOAD', `${action}: no prebuilt binary for ${process.platform}-${process.arch}: build one with "node tools/build-native.mjs" (looked for ${path})`, { path });
  }
  try {
    return createRequire(import.meta.url)(path) as NativeBinding;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new LibbpfError('ADDON_LOAD', `${action}: ${explainLoadFailure(message)} (${message.split('\n')[0] ?? ''})`, { path, cause });
  }
};

let binding: NativeBinding | undefined;

/** The addon, loaded on first use so that importing the package never fails. */
export const native = (): NativeBinding => (binding ??= loadAddon(prebuildPath()));
