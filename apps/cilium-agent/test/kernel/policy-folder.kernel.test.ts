import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowIngress, openBench, tcp } from '../support/bench.ts';
import type { AttachedPod, Bench } from '../support/bench.ts';

let bench: Bench;
let web: AttachedPod;
let client: AttachedPod;
let other: AttachedPod;
beforeEach(async () => {
  bench = await openBench('policy');
  [web, client, other] = [await bench.pod('web'), await bench.pod('client'), await bench.pod('other')];
  await web.probe.listen({ protocol: 'tcp', port: 80 });
});
afterEach(() => bench[Symbol.asyncDispose]());

const matrix = async () => Promise.all([tcp(client, web.ipv4), tcp(other, web.ipv6)]);
const OPEN = ['ok', 'ok'];
const ENFORCED = ['ok', 'timeout'];
const LOCKED = ['timeout', 'timeout'];
const fileStatus = async () => Object.fromEntries((await bench.client.getPolicy()).files.map(({ path, status }) => [path.split('/').at(-1), status]));
/** The folder is seen as such, and what follows from it is in force. */
const becomes = async (status: Record<string, string>) => {
  await expect.poll(fileStatus, { timeout: 5000, interval: 20 }).toEqual(status);
  await expect.poll(async () => {
    const policy = await bench.client.getPolicy();
    return policy.revision - policy['realized-revision'];
  }, { timeout: 5000, interval: 20 }).toBe(0);
};

const good = () => allowIngress('web', 'web', 'client');
const BAD: readonly (readonly [string, string])[] = [
  ['malformed YAML', 'apiVersion: cilium.io/v2\nkind: [oops'],
  ['an unknown field', `${allowIngress('web', 'web', 'client')}  surprise: 1\n`],
  ['a wrong type', allowIngress('web', 'web', 'client').replace('ingress:', 'ingress: 5\n  egress:')],
  ['a policy that can not be enforced', `${allowIngress('web', 'web', 'client')}  egress: [{toFQDNs: [{matchName: example.com}]}]\n`],
  ['an empty file', ''],
];

describe('a policy file', () => {
  it('takes effect when it appears, changes and goes', async () => {
    expect(await matrix()).toEqual(OPEN);
    await bench.policy('web.yaml', good());
    await expect.poll(matrix, { timeout: 5000 }).toEqual(ENFORCED);
    await bench.policy('web.yaml', allowIngress('web', 'web', 'other'));
    await expect.poll(matrix, { timeout: 5000 }).toEqual(['timeout', 'ok']);
    await bench.policy('web.yaml', undefined);
    await expect.poll(matrix, { timeout: 5000 }).toEqual(OPEN);
  });

  it.each(BAD)('good, then %s, then good again, with a restart at each step', async (_, text) => {
    await bench.policy('web.yaml', good());
    await becomes({ 'web.yaml': 'accepted' });
    for (const restart of [false, true]) {
      if (restart) await bench.restart();
      expect(await matrix()).toEqual(ENFORCED);
    }
    await bench.policy('web.yaml', text);
    await becomes({ 'web.yaml': 'last-accepted' });
    for (const restart of [false, true]) {
      if (restart) await bench.restart();
      expect(await fileStatus()).toEqual({ 'web.yaml': 'last-accepted' });
      expect(await matrix()).toEqual(ENFORCED);
      expect((await bench.client.healthz()).policy).toMatchObject({ state: 'Warning', msg: expect.stringContaining('web.yaml') });
    }
    await bench.policy('web.yaml', allowIngress('web', 'web', 'other'));
    await becomes({ 'web.yaml': 'accepted' });
    for (const restart of [false, true]) {
      if (restart) await bench.restart();
      expect(await matrix()).toEqual(['timeout', 'ok']);
      expect((await bench.client.healthz()).policy.state).toBe('Ok');
    }
  });

  it('that never was good locks down the endpoints it may concern, and only those, over a restart too', async () => {
    await bench.policy('web.yaml', `${good()}  egress: [{toFQDNs: [{matchName: example.com}]}]\n`);
    await expect.poll(fileStatus, { timeout: 5000 }).toEqual({ 'web.yaml': 'rejected' });
    await expect.poll(matrix, { timeout: 5000 }).toEqual(LOCKED);
    for (const restart of [false, true]) {
      if (restart) await bench.restart();
      expect(await matrix()).toEqual(LOCKED);
      await client.probe.listen({ protocol: 'tcp', port: 81 + Number(restart) });
      expect(await tcp(other, client.ipv4, 81 + Number(restart))).toBe('ok');
      expect((await bench.client.getEndpoint(web.id)).status).toMatchObject({ state: 'not-ready', health: { overallHealth: 'Failure' } });
      expect((await bench.client.getEndpoint(other.id)).status.state).toBe('ready');
      expect((await bench.client.healthz()).cilium.state).toBe('Failure');
    }
    await bench.policy('web.yaml', good());
    await expect.poll(matrix, { timeout: 5000 }).toEqual(ENFORCED);
  });

  it('of which nothing can be read locks down everybody', async () => {
    await bench.policy('web.yaml', 'kind: [oops');
    await expect.poll(matrix, { timeout: 5000 }).toEqual(LOCKED);
    await bench.policy('web.yaml', undefined);
    await expect.poll(matrix, { timeout: 5000 }).toEqual(OPEN);
  });

  it('written in place is never taken for empty while it is half-written', async () => {
    await bench.policy('web.yaml', good());
    await becomes({ 'web.yaml': 'accepted' });
    const flow = await other.probe.startFlow({ kind: 'connections', address: web.ipv4, port: 80, intervalMs: 5, timeoutMs: 100 });
    for (let at = 0; at < 20; at++) {
      await writeFile(join(bench.node.folders.policies, 'web.yaml'), '');
      await new Promise((resolve) => { setTimeout(resolve, 20 + at * 5); });
      await writeFile(join(bench.node.folders.policies, 'web.yaml'), good());
    }
    expect((await flow.stop()).outcomes.ok ?? 0).toBe(0);
  });

  it('may not define what another file or the API defines', async () => {
    await bench.policy('a.yaml', good());
    await becomes({ 'a.yaml': 'accepted' });
    await bench.policy('b.yaml', good());
    await expect.poll(fileStatus, { timeout: 5000 }).toEqual({ 'a.yaml': 'accepted', 'b.yaml': 'rejected' });
    expect((await bench.client.getPolicy()).files[1]?.issues[0]).toMatchObject({ message: expect.stringContaining('a.yaml') });
    await bench.policy('a.yaml', undefined);
    await becomes({ 'b.yaml': 'accepted' });
    expect(await matrix()).toEqual(ENFORCED);
  });
});

describe('the policy folder gone', () => {
  it('opens nothing, with and without a restart, and is read again when it is back', async () => {
    const { policies } = bench.node.folders;
    await bench.policy('web.yaml', good());
    await becomes({ 'web.yaml': 'accepted' });
    await rename(policies, `${policies}-away`);
    await expect.poll(async () => (await bench.client.healthz()).policy.state, { timeout: 5000 }).toBe('Warning');
    for (const restart of [false, true, true]) {
      if (restart) await bench.restart();
      expect(await matrix()).toEqual(ENFORCED);
    }
    await mkdir(policies);
    await expect.poll(matrix, { timeout: 5000 }).toEqual(OPEN);
    await rm(policies, { recursive: true });
    await rename(`${policies}-away`, policies);
    await expect.poll(matrix, { timeout: 5000 }).toEqual(ENFORCED);
  });

  it('from the first start on: everybody is locked down until it is there', async () => {
    const { policies } = bench.node.folders;
    const never = `${policies}/never`;
    // The bench names the folder that is there; the agent is to be told of the other one alone.
    const agent = new URL('../../dist/main.js', import.meta.url).pathname;
    const onlyNever = `for word; do [ "$word" = '--policy-dir=${policies}' ] || set -- "$@" "$word"; shift; done; exec "$0" '${agent}' "$@"`;
    await bench.restart({ flags: [`--policy-dir=${never}`], command: ['sh', '-c', onlyNever, process.execPath] });
    expect(await matrix()).toEqual(LOCKED);
    expect((await bench.client.healthz()).cilium).toMatchObject({ state: 'Failure', msg: expect.stringContaining('never') });
    await mkdir(never);
    await expect.poll(matrix, { timeout: 5000 }).toEqual(OPEN);
  });
});
