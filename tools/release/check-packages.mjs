#!/usr/bin/env node
// check-packages.mjs [NAME…]: packs every publishable package and looks at the tarball as its user would: publint and
// attw on it, then its README's example, type-checked and run in an empty project outside the workspace — without
// root where the package is pure. The example is the README's first `ts` block; the `text` block after it is what it prints.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';

const root = new URL('../..', import.meta.url).pathname;
const nobody = 65534;
const all = ['packages', 'apps'].flatMap((folder) => readdirSync(join(root, folder)).map((name) => readPackage(join(root, folder, name))));
const published = all.filter(({ manifest }) => manifest.private !== true);
const only = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'cilium-ts-packages-'));
chmodSync(work, 0o755);

let failures = 0;
try {
  for (const one of published) one.tarball = pack(one);
  for (const one of published) {
    if (only.length > 0 && !only.some((name) => one.manifest.name.endsWith(name))) continue;
    const problems = check(one);
    console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${one.manifest.name}`);
    for (const problem of problems) console.log(`     ${problem.trim().replaceAll('\n', '\n     ')}`);
    failures += problems.length;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`packages: ${published.length} packed, ${failures} problems`);
process.exitCode = failures === 0 ? 0 : 1;

function readPackage(folder) {
  return { folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) };
}

function pack({ folder, manifest }) {
  const { stdout } = must('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', work], { cwd: folder });
  const [packed] = Object.values(JSON.parse(stdout));
  if (packed === undefined) throw new Error(`npm pack of ${manifest.name} packed nothing`);
  return { path: join(work, packed.filename), files: packed.files.map(({ path }) => path) };
}

function check(one) {
  const problems = [];
  const report = (what, result) => {
    if (result.status !== 0) problems.push(`${what}: ${result.stdout}${result.stderr}`);
  };
  for (const name of ['LICENSE', 'README.md', 'package.json']) {
    if (!one.tarball.files.includes(name)) problems.push(`the tarball has no ${name}`);
  }
  report('publint', attempt(bin('publint'), [one.tarball.path, '--strict']));
  if (one.manifest.exports?.['.'] === undefined) return problems;
  report('attw', attempt(bin('attw'), [one.tarball.path, '--profile', 'esm-only', '--no-emoji']));
  return [...problems, ...runExample(one)];
}

/** The README's example in a project that knows nothing but the tarballs. */
function runExample(one) {
  const example = readExample(one.folder);
  if (example === undefined) return ['the README does not open with a `ts` block followed by a `text` block'];
  const project = join(work, one.manifest.name.replaceAll(/\W+/g, '-'));
  mkdirSync(project);
  const dependencies = Object.fromEntries(closure(one).map(({ manifest, tarball }) => [manifest.name, `file:${tarball.path}`]));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
  const install = attempt('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'], { cwd: project });
  if (install.status !== 0) return [`npm install: ${install.stderr}`];
  writeFileSync(join(project, 'example.ts'), example.source);
  const types = typecheck(project);
  if (types !== '') return [`example, types: ${types}`];
  const { outputText } = ts.transpileModule(example.source, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } });
  writeFileSync(join(project, 'example.js'), outputText);
  const user = one.manifest.os === undefined ? { uid: nobody, gid: nobody } : {};
  const result = attempt(process.execPath, ['example.js'], { cwd: project, timeout: 60_000, ...user });
  if (result.status !== 0) return [`example: exit ${result.status ?? result.signal}: ${result.stdout}${result.stderr}`];
  return result.stdout.trim() === example.output ? [] : [`example printed:\n${result.stdout}where the README says:\n${example.output}`];
}

function readExample(folder) {
  const path = join(folder, 'README.md');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const match = /^```ts\n(.*?)^```\n(?:(?!^```)[^])*?^```text\n(.*?)^```$/ms.exec(text);
  return match === null ? undefined : { source: match[1], output: match[2].trim() };
}

/** A package and those of ours it depends on. */
function closure(one, seen = new Set()) {
  if (seen.has(one)) return [];
  seen.add(one);
  const own = published.filter(({ manifest }) => manifest.name in (one.manifest.dependencies ?? {}));
  return [one, ...own.flatMap((dependency) => closure(dependency, seen))];
}

function typecheck(project) {
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2023, lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'], strict: true, noEmit: true, skipLibCheck: false, types: ['node'], typeRoots: [join(root, 'node_modules/@types')] };
  const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram([join(project, 'example.ts')], options));
  const host = { getCurrentDirectory: () => project, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
  return ts.formatDiagnostics(diagnostics, host);
}

function bin(name) {
  return join(root, 'node_modules/.bin', name);
}

function attempt(command, args, options = {}) {
  return spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
}

function must(command, args, options) {
  const result = attempt(command, args, options);
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  return result;
}
