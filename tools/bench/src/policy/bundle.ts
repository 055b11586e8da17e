import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { build } from 'esbuild';

/** What a program for browsers ships that reads policies and explains verdicts. */
const ENTRY = "export { explain, parsePolicies } from '@cilium-ts/policy-model';";

/** A bundle, and how many bytes of it each package contributes. */
export interface Bundle {
  readonly code: string;
  readonly bytes: number;
  /** Largest first. */
  readonly packages: readonly (readonly [name: string, bytes: number])[];
}

/** Bundles, tree-shakes and minifies parsing and explaining, with everything that they need. */
export async function bundlePolicyModel(entry = ENTRY): Promise<Bundle> {
  const folder = dirname(createRequire(import.meta.url).resolve('@cilium-ts/policy-model/package.json'));
  const { outputFiles, metafile } = await build({
    stdin: { contents: entry, resolveDir: folder, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['@cilium-ts/source'],
    metafile: true,
    write: false,
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error('bundle the policy model: esbuild wrote nothing');
  const packages = new Map<string, number>();
  for (const output of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      // The last folder of packages counts: a package may have others of its own.
      const name = /.*(?:node_modules|packages)\/([^/]+)\//.exec(path)?.[1] ?? 'entry';
      packages.set(name, (packages.get(name) ?? 0) + bytesInOutput);
    }
  }
  return { code: file.text, bytes: file.contents.length, packages: [...packages].sort(([, a], [, b]) => b - a) };
}
