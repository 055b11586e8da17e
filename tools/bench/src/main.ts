import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { benchmarks } from './benchmarks.ts';
import { eventReader } from './packet/event-reader.ts';
import { packetChild } from './packet/packet-child.ts';
import { heapChild } from './policy/heap-child.ts';
import { formatTable, type BenchReport, type BenchResult } from './result.ts';

const USAGE = `usage: npm run bench [-- [--json] [--list] PREFIX…]
Runs the benchmarks whose names begin with one of the prefixes (all without any).
  --json   one JSON document on standard output; progress and tables always go to standard error
  --list   only the names`;

/** Other roles of this file, for the processes that it starts itself. */
const roles: Readonly<Record<string, (...args: string[]) => Promise<void>>> = {
  'packet-child': (suite = '', wrapper = '') => packetChild(suite, wrapper),
  'event-reader': (ring = '') => eventReader(ring),
  'policy-heap': (size = '') => heapChild(size),
};

async function main(args: string[]): Promise<number> {
  const role = roles[args[0] ?? ''];
  if (role !== undefined) {
    await role(...args.slice(1));
    return 0;
  }
  const { values, positionals: prefixes } = parseArgs({
    args,
    options: { json: { type: 'boolean', default: false }, list: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
    allowPositionals: true,
  });
  const wanted = (name: string): boolean => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix));
  const names = benchmarks.flatMap((benchmark) => benchmark.names).filter(wanted);
  if (values.help || names.length === 0) {
    console.error(names.length === 0 ? `bench: no benchmark begins with ${prefixes.join(' or ')}; see --list` : USAGE);
    return values.help ? 0 : 2;
  }
  if (values.list) {
    console.log(names.join('\n'));
    return 0;
  }
  const { results, failed } = await runAll(wanted);
  const report: BenchReport = { kernel: release(), cpus: cpus().length, results };
  console.error(formatTable(results));
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
  return failed ? 1 : 0;
}

/** One failing benchmark does not cost the results of the others. */
async function runAll(wanted: (name: string) => boolean): Promise<{ results: BenchResult[]; failed: boolean }> {
  const results: BenchResult[] = [];
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort(new Error(`stopped by ${signal}`)));
  let failed = false;
  for (const benchmark of benchmarks) {
    const names = benchmark.names.filter(wanted);
    if (names.length === 0 || abort.signal.aborted) continue;
    console.error(`bench: ${names.join(', ')}`);
    try {
      const context = { wanted, signal: abort.signal, progress: (text: string) => console.error(`  ${text.replaceAll('\n', '\n  ')}`) };
      results.push(...(await benchmark.run(context)).filter(({ name }) => wanted(name)));
    } catch (error) {
      failed = true;
      console.error(`bench: ${names.join(', ')} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  return { results, failed: failed || abort.signal.aborted };
}

process.exitCode = await main(process.argv.slice(2));
