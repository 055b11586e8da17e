import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowIngress, openBench, tcp } from '../support/bench.ts';
import type { Bench } from '../support/bench.ts';

let bench: Bench;
beforeEach(async () => { bench = await openBench('start'); });
afterEach(() => bench[Symbol.asyncDispose]());

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname;

describe('the agent refuses to start', () => {
  it('a second time in the same network namespace, naming the one that runs', async () => {
    const { folders } = bench.node;
    const output = await bench.node.exec('sh', '-c', `"$0" "$1" --state-dir=${folders.state}-2 --bpf-root=${folders.bpf}/second --socket-path=${folders.socket}2 2>&1; echo "code $?"`, process.execPath, MAIN);
    expect(output).toMatch(new RegExp(`the agent with pid ${bench.agent.pid} .*runs in this network namespace.*\ncode 1`));
    expect((await bench.client.healthz()).cilium.state).toBe('Ok');
  });

  it('a second time on the same state, from another namespace', async () => {
    const elsewhere = await bench.testbed.createNode('m');
    const { folders } = bench.node;
    const output = await elsewhere.exec('sh', '-c', `"$0" "$1" --state-dir=${folders.state} --bpf-root=${elsewhere.folders.bpf} --socket-path=${elsewhere.folders.socket} 2>&1; echo "code $?"`, process.execPath, MAIN);
    expect(output).toMatch(new RegExp(`lock state folder .*: the agent with pid ${bench.agent.pid} is using it.*\ncode 1`));
  });

  it('a second time on the same maps and programs, from another namespace, and leaves them alone', async () => {
    const elsewhere = await bench.testbed.createNode('m');
    const { folders } = elsewhere;
    const run = (command: string) => elsewhere.exec('sh', '-c', `"$0" "$1" ${command} --state-dir=${folders.state} --bpf-root=${bench.node.folders.bpf} --socket-path=${folders.socket} 2>&1; echo "code $?"`, process.execPath, MAIN);
    const refused = new RegExp(`lock BPF folder .*: the agent with pid ${bench.agent.pid} is using it.* --bpf-root of its own.*\ncode 1`);
    expect(await run('')).toMatch(refused);
    expect(await run('cleanup')).toMatch(refused);
    expect((await bench.client.healthz()).cilium.state).toBe('Ok');
  });

  it('without its capabilities', async () => {
    await bench.agent.stop();
    // still user 0, so that the files of a checkout in a private folder can be read
    const output = await bench.node.exec('sh', '-c', `setpriv --bounding-set=-all --inh-caps=-all "$0" "$1" --state-dir=/tmp/none 2>&1; echo "code $?"`, process.execPath, MAIN);
    expect(output).toMatch(/lacks CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF. Run it as root.*\ncode 1/);
  });

  it('with settings that make no sense, naming their place', async () => {
    await bench.agent.stop();
    await writeFile(join(bench.node.folders.config, 'enable-polciy'), 'always');
    const { code, output } = await bench.failingStart();
    expect(code).toBe(1);
    expect(output).toContain(`${bench.node.folders.config}/enable-polciy: there is no setting "enable-polciy"`);
  });

  it('over maps of another size, leaving them as they are', async () => {
    const { code, output } = await bench.agent.stop().then(() => bench.failingStart({ flags: ['--bpf-policy-map-max=1024'] }));
    expect(code).toBe(1);
    expect(output).toMatch(/cilium_policy: it is a hash of 131072 entries.*cilium cleanup.*follows --bpf-policy-map-max/);
    await bench.restart();
    expect((await bench.client.healthz()).cilium.state).toBe('Ok');
  });

  it('where a foreign device is in its place', async () => {
    const elsewhere = await bench.testbed.createNode('m');
    await elsewhere.netlink.createVeth({ name: 'cilium_host', peer: { name: 'cilium_net' } });
    const agent = await elsewhere.startAgent({ doNotWait: true });
    expect((await agent.exited).code).toBe(1);
    expect(agent.log()).toMatch(/create device cilium_host: there is a device of that name that this agent did not make/);
  });

  it('where a device of others has an address of the range', async () => {
    const elsewhere = await bench.testbed.createNode('m');
    await elsewhere.exec('ip', 'address', 'add', '10.244.7.7/24', 'dev', 'lo');
    const agent = await elsewhere.startAgent({ doNotWait: true });
    expect((await agent.exited).code).toBe(1);
    expect(agent.log()).toMatch(/10\.244\.7\.7 of device lo lies in 10\.244\.0\.0\/16.*--ipv4-range/);
  });
});

describe('two agents in different namespaces of one machine', () => {
  it('never meet', async () => {
    const elsewhere = await bench.testbed.createNode('m');
    const agent = await elsewhere.startAgent();
    const mine = await bench.pod('web');
    expect((await bench.client.listEndpoints()).length).toBe(1);
    expect((await agent.stop()).code).toBe(0);
    expect(readdirSync(`${elsewhere.folders.state}/endpoints`)).toEqual([]);
    expect(mine.endpoint.status.state).toBe('ready');
  });
});

describe('corrupt state is set aside, reported, and opens nothing', () => {
  const corrupt = async (file: string) => {
    await bench.agent.stop();
    await writeFile(join(bench.node.folders.state, file), '{"half":');
    await bench.restart();
  };

  it("an endpoint's record: the endpoint is closed and can be made again", async () => {
    const [web, client] = [await bench.pod('web'), await bench.pod('client')];
    await web.probe.listen({ protocol: 'tcp', port: 80 });
    expect(await tcp(client, web.ipv4)).toBe('ok');
    await corrupt(`endpoints/${web.id}.json`);
    expect(await tcp(client, web.ipv4)).not.toBe('ok');
    const health = await bench.client.healthz();
    expect(health.warnings.join()).toMatch(/record of endpoint 1 .*corrupt.*set aside/);
    expect(readdirSync(`${bench.node.folders.state}/set-aside`)).toEqual([expect.stringMatching(/^1\.json\./)]);
    await bench.client.createEndpoint({ 'container-netns-path': web.pod.netns, 'container-name': 'web', labels: ['app=web'], addressing: { ipv4: web.ipv4 } });
    expect(await tcp(client, web.ipv4)).toBe('ok');
  });

  it('the identities: numbers stay the same', async () => {
    const web = await bench.pod('web');
    const [client] = [await bench.pod('client')];
    await corrupt('identities-global.json');
    const after = await bench.client.listEndpoints();
    expect(after.map(({ status }) => status.identity?.id)).toEqual([web, client].map(({ endpoint }) => endpoint.status.identity?.id));
  });

  it('imported policies: everybody is locked down until the file set aside is removed', async () => {
    const [web, client] = [await bench.pod('web'), await bench.pod('client')];
    await web.probe.listen({ protocol: 'tcp', port: 80 });
    await bench.client.importPolicy(allowIngress('web', 'web', 'client'));
    await corrupt('policy-api.json');
    expect(await tcp(client, web.ipv4)).toBe('timeout');
    await bench.restart();
    expect(await tcp(client, web.ipv4)).toBe('timeout');
    expect((await bench.client.healthz()).policy).toMatchObject({ state: 'Failure', msg: expect.stringContaining('set-aside/policy-api.json') });
    const [aside] = readdirSync(`${bench.node.folders.state}/set-aside`);
    await bench.node.exec('rm', `${bench.node.folders.state}/set-aside/${aside}`);
    await bench.client.importPolicy(allowIngress('web', 'web', 'client'));
    expect(await tcp(client, web.ipv4)).toBe('ok');
  });

  it('the last accepted form of a file that is bad now: locked down', async () => {
    const [web, client] = [await bench.pod('web'), await bench.pod('client')];
    await web.probe.listen({ protocol: 'tcp', port: 80 });
    await bench.policy('web.yaml', allowIngress('web', 'web', 'client'));
    await expect.poll(async () => (await bench.client.getPolicy()).resources.length).toBe(1);
    await bench.agent.stop();
    await bench.policy('web.yaml', 'kind: [oops');
    await corrupt('policy/web.yaml.json');
    expect(await tcp(client, web.ipv4)).toBe('timeout');
    expect(JSON.parse(await readFile(join(bench.node.folders.state, 'policy/web.yaml.json'), 'utf8'))).toMatchObject({ text: null });
    await bench.restart();
    expect(await tcp(client, web.ipv4)).toBe('timeout');
  });
});
