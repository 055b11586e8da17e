import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs, type Flow } from '@cilium-ts/testbed';
import { ATTEMPTS, describePort, judge, SPARE_LOCAL_PORT, type Connection, type Observation, type Party, type Verdict } from './connection.ts';
import type { DropWatch } from './drop-watch.ts';
import type { Expect } from './expectation.ts';
import type { PolicyFolder } from './policy-folder.ts';
import type { Shop } from './shop.ts';
import { line } from './show/print.ts';
import { tryConnection } from './try-connection.ts';

/** The connection that a changed file forbids. */
const CHANGE = { file: 'cart.yaml', from: 'shop/frontend', to: 'shop/cart', port: 8080 } as const;
/** How often it says something, in milliseconds. */
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
 * Opens a connection and keeps it busy, publishes a policy that forbids it, sees it stop and a new one refused, brings
 * the first policy back, and sees the same connection go on.
 */
export async function showChange({ shop, parties, policies, drops, expect }: ChangeSetup): Promise<Verdict[]> {
  const running = connectionOf(parties, 0);
  const another = connectionOf(parties, 1);
  const [before, after] = [shop.policies.get(CHANGE.file), shop.changed.get(CHANGE.file)];
  if (before === undefined || after === undefined) throw new Error(`examples/shop has no two versions of ${CHANGE.file}`);
  const verdicts: Verdict[] = [];
  const note = (connection: Connection, observation: Observation): void => {
    verdicts.push(judge(connection, expect(connection), observation));
  };
  const { destination, port, localPort } = running;
  const flow = await running.from.probe.startFlow({ kind: 'tcp', address: destination, port, localPort, intervalMs: INTERVAL });

  note(running, await goesOn(flow, 0));
  line(`${running.from.name} has a connection to ${running.to.name}, ${describePort(running)}, and gets an answer every ${INTERVAL} ms.`);

  const changedAt = monotonicMs();
  policies.publish(CHANGE.file, after);
  const drop = await drops.dropOf(running, LIMIT);
  note(running, drop === undefined ? { kind: 'failed', outcome: 'nothing was dropped' } : { kind: 'dropped', drop });
  note(another, await tryConnection(another, drops));
  const { lastOkAt = changedAt, received } = await flow.stats();
  line(`A new ${CHANGE.file} closes the cart: the last answer came ${milliseconds(lastOkAt - changedAt)} after the file was renamed into place.`);
  line(`Since then its packets are dropped${drop === undefined ? '' : ` (${drop['reason-name']}, ${drop.direction})`}, and a new connection is refused.`);

  const restoredAt = monotonicMs();
  policies.publish(CHANGE.file, before);
  note(running, await goesOn(flow, received));
  const resumedAfter = monotonicMs() - restoredAt;
  note(another, await tryConnection({ ...another, localPort: another.localPort + ATTEMPTS }, drops));
  line(`The first version is back: within ${milliseconds(resumedAfter)} the same connection goes on where it was, nothing lost, and new ones work.`);
  await flow.stop();
  return verdicts;
}

function connectionOf(parties: readonly Party[], index: number): Connection {
  const party = (name: string): Party => {
    const found = parties.find((each) => each.name === name);
    if (found === undefined) throw new Error(`examples/shop has no pod ${name}`);
    return found;
  };
  const [from, to] = [party(CHANGE.from), party(CHANGE.to)];
  const [source, destination] = [from.addresses[4], to.addresses[4]];
  if (source === undefined || destination === undefined) throw new Error(`${CHANGE.from} or ${CHANGE.to} has no IPv4 address`);
  return { from, to, family: 4, source, destination, kind: 'TCP', port: CHANGE.port, localPort: SPARE_LOCAL_PORT + 2 * ATTEMPTS * index };
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
