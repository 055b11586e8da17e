import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { listTestbeds, removeTestbed } from '@cilium-ts/testbed';
import { showChange } from './change.ts';
import { allConnections, judge, type Verdict } from './connection.ts';
import { watchDrops } from './drop-watch.ts';
import { createExpectation } from './expectation.ts';
import { keepRunning, serveUntilGone } from './keep.ts';
import { openScene, type Scene } from './scene.ts';
import { readShop, type Shop } from './shop.ts';
import { printDisagreements, printDrops } from './show/drops.ts';
import { printMatrix } from './show/matrix.ts';
import { counter, heading, line } from './show/print.ts';
import { tryAll } from './try-connection.ts';

const USAGE = `usage: npm run demo [-- --keep | --down]
Runs the shop of examples/shop: labels, identities and policies, enforced on real traffic.
  --keep   leave it running, and say how to look around
  --down   take down what --keep left running`;

/** Attempts of one party at a time. */
const PARALLEL = 12;

async function main(args: string[]): Promise<number> {
  if (args[0] === 'server') await serveUntilGone(args[1] ?? '', args.slice(2));
  const { values } = parseArgs({ args, options: { keep: { type: 'boolean', default: false }, down: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } } });
  if (values.help) console.log(USAGE);
  if (values.down) takeDown();
  if (values.help || values.down) return 0;
  const shop = readShop(join(import.meta.dirname, '..', '..', '..', 'examples', 'shop'));
  const scene = await openScene(shop, values);
  let verdicts: Verdict[];
  try {
    verdicts = await show(shop, scene);
    if (values.keep) keepRunning(scene);
  } catch (error) {
    await scene[Symbol.asyncDispose]();
    throw error;
  }
  await (values.keep ? scene.client.close() : scene[Symbol.asyncDispose]());
  return summarise(verdicts);
}

function takeDown(): void {
  const kept = listTestbeds().filter(({ record }) => record?.kept === true && record.name === 'demo');
  for (const { folder, record } of kept) {
    removeTestbed(folder, record);
    console.log(`removed ${folder}`);
  }
  if (kept.length === 0) console.log('nothing to take down');
}

async function show(shop: Shop, scene: Scene): Promise<Verdict[]> {
  await introduce(scene);
  const expect = createExpectation(scene.policies.repository, shop);
  await using drops = await watchDrops(scene.client);
  heading('Every pod connects to every other, to the node and to the world outside, and they to the pods');
  const connections = allConnections(scene.parties);
  const progress = counter(connections.length, 'connections tried');
  const observed = await tryAll(connections, drops, PARALLEL, progress.step);
  progress.done();
  const verdicts = connections.map((connection) => judge(connection, expect(connection), observed.get(connection) ?? { kind: 'failed', outcome: 'not tried' }));
  printMatrix(verdicts, scene.parties);
  heading('Why packets were dropped: the reason the kernel reports, and the rule in examples/shop');
  printDrops(verdicts);
  heading('A policy changes while traffic runs');
  return [...verdicts, ...(await showChange({ shop, parties: scene.parties, policies: scene.policies, drops, expect }))];
}

async function introduce({ agent, client }: Scene): Promise<void> {
  const [endpoints, policy] = await Promise.all([client.listEndpoints(), client.getPolicy()]);
  heading(`A node with cilium-agent (ready after ${Math.round(agent.startedAfterMs ?? 0)} ms) and ${endpoints.length} pods`);
  for (const { id, status } of endpoints) {
    const { ipv4, ipv6 } = status.networking.addressing[0] ?? {};
    const { 'k8s-namespace': namespace, 'k8s-pod-name': name } = status['external-identifiers'];
    line(`${String(name).padEnd(18)} namespace ${String(namespace).padEnd(12)} endpoint ${String(id).padEnd(6)} identity ${String(status.identity?.id).padEnd(7)} ${ipv4?.padEnd(16)} ${ipv6}`);
  }
  line(`Policies in force: ${policy.resources.map(({ key }) => key).join(', ')}`);
}

/** The last line, which others read, and the exit code. */
function summarise(verdicts: readonly Verdict[]): number {
  const otherwise = verdicts.filter(({ agrees }) => !agrees);
  if (otherwise.length > 0) {
    heading('Not as the policies say');
    printDisagreements(verdicts);
  }
  console.log(`\ndemo: ${verdicts.length} connections tried, ${verdicts.length - otherwise.length} as the policy says, ${otherwise.length} otherwise`);
  return otherwise.length === 0 ? 0 : 1;
}

const code = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`demo: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
});
// What --keep leaves running must not keep this process: it ends when everything is printed.
process.stdout.write('', () => process.exit(code));
