import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs, type Flow } from '@cilium-ts/testbed';
import { ATTEMPTS, describePort, judge, SPARE_LOCAL_PORT, type Connection, type Observation, type Party, type Verdict } from './connection.ts';
import type { DropWatch } from './drop-watch.ts';
import type { Expect } from './expectation.ts';
import type { PolicyFolder } from './policy-folder.ts';
import type { Shop } from './shop.ts';
import { line } from './show/print.ts';
import { tryConnection } from './try-connection.ts';

/** How often the connection says something, in milliseconds. */
const INTERVAL = 10;
/** How long anything may take, in milliseconds: a lost segment is sent again after up to a few seconds. */
const LIMIT = 30_000;

interface ChangeSetup {
  readonly shop: Shop;
  readonly parties: readonly Party[];
  readonly policies: PolicyFolder;
  readonly drops: DropWatch;
  readonly expect: Expect;
}

/**
 * Opens a connection and keeps it busy, puts a policy in force that forbids it, sees it stop and a new one refused,
 * withdraws the policy, and sees the same connection go on.
 */
export async function showChange({ shop, parties, policies, drops, expect }: ChangeSetup): Promise<Verdict[]> {
  const { file, text } = shop.change;
  const running = connectionOf(shop, parties, 0);
  const another = connectionOf(shop, parties, 1);
  const verdicts: Verdict[] = [];
  const note = (connection: Connection, observation: Observation): void => {
    verdicts.push(judge(connection, expect(connection), observation));
  };
  const { from, to, port, localPort } = running;
  const flow = await from.probe.startFlow({ kind: 'tcp', address: to.addresses[4], port, localPort, intervalMs: INTERVAL });
  note(running, await goesOn(flow, 0));
  line(`${from.name} has a connection to ${to.name}, ${describePort(running)}, and gets an answer every ${INTERVAL} ms.`);

  const changedAt = monotonicMs();
  policies.publish(file, text);
  const drop = await drops.dropOf(running, LIMIT);
  note(running, drop === undefined ? { kind: 'failed', outcome: 'nothing was dropped' } : { kind: 'dropped', drop });
  note(another, await tryConnection(another, drops));
  const { lastOkAt = changedAt, received } = await flow.stats();
  line(`${file} is put in the policy folder: the last answer came ${milliseconds(lastOkAt - changedAt)} later.`);
  line(`Its packets are dropped now${drop === undefined ? '' : ` (${drop['reason-name']}, ${drop.direction})`}, and a new connection is refused.`);

  const withdrawnAt = monotonicMs();
  policies.withdraw(file);
  note(running, await goesOn(flow, received));
  const resumedAfter = monotonicMs() - withdrawnAt;
  note(another, await tryConnection({ ...another, localPort: another.localPort + ATTEMPTS }, drops));
  line(`The file is removed: within ${milliseconds(resumedAfter)} the same connection goes on where it was, nothing lost, and new ones work.`);
  await flow.stop();
  return verdicts;
}

function connectionOf({ change }: Shop, parties: readonly Party[], index: number): Connection {
  const party = (name: string): Party => {
    const found = parties.find((each) => each.name === name);
    if (found === undefined) throw new Error(`pods.yaml: change: there is no pod ${name}`);
    return found;
  };
  const localPort = SPARE_LOCAL_PORT + 2 * ATTEMPTS * index;
  return { from: party(change.from), to: party(change.to), family: 4, kind: 'TCP', port: change.port, localPort };
}

function milliseconds(value: number): string {
  return `${Math.max(0, Math.round(value))} ms`;
}

/** Waits for ten answers beyond the first `received`. */
async function goesOn(flow: Flow, received: number): Promise<Observation> {
  const deadline = monotonicMs() + LIMIT;
  while (monotonicMs() < deadline) {
    const stats = await flow.stats();
    if (stats.broken !== undefined) return { kind: 'failed', outcome: `broken: ${stats.broken.code}` };
    if (stats.received >= received + 10) return { kind: 'open' };
    await sleep(INTERVAL);
  }
  return { kind: 'failed', outcome: 'no answers' };
}
