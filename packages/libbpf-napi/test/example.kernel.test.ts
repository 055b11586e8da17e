import { execFile, execFileSync, type PromiseWithChild } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { compileFile } from './compile.ts';
import { cgroup, folder, inNamespace, libraryPath, namespace } from './sandbox.ts';

const example = (name: string): string => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

/** A copy of an example's script that imports this package's sources. */
const scriptOf = (name: string): string => {
  const script = `${folder(onTestFinished)}/example.mjs`;
  writeFileSync(script, readFileSync(example(name), 'utf8').replace("'libbpf-napi'", JSON.stringify(libraryPath())));
  return script;
};

/** A namespace whose v0 has 192.0.2.1/24 and knows who 192.0.2.2 is. Only the test's own packets: no IPv6 chatter, no ARP. */
const quietNamespace = (): string => {
  const name = namespace(onTestFinished);
  execFileSync('nsenter', [`--net=${name}`, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6']);
  execFileSync('nsenter', [`--net=${name}`, 'ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'v0']);
  execFileSync('nsenter', [`--net=${name}`, 'ip', 'neigh', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'v0', 'nud', 'permanent']);
  return name;
};

/** Runs a script in a network namespace, where a fresh mount of sysfs shows the namespace's devices. */
const runIn = (name: string, script: string, env: Record<string, string>): PromiseWithChild<{ stdout: string; stderr: string }> =>
  promisify(execFile)('nsenter', [`--net=${name}`, 'unshare', '--mount', 'sh', '-c', `mount -t sysfs sysfs /sys && exec ${process.execPath} ${script}`], { env: { ...process.env, ...env }, timeout: 120_000 });

/** Waits for a program on v1, sends it 50 datagrams, every fifth to port 9 and the others to port 10, and waits until it has seen them. */
const sendWhenAttached = (name: string, hook: 'tc' | 'xdp'): void =>
  inNamespace(name, async (bpf, hook) => {
    const wait = () => new Promise((resolve) => setTimeout(resolve, 10));
    const attached = (): number | undefined => (hook === 'xdp' ? bpf.queryXdp({ ifindex: 101 }).native : bpf.queryTc({ ifindex: 101, direction: 'ingress', priority: 1000 })?.programId);
    for (let tries = 0; attached() === undefined; tries++) {
      if (tries > 2000) throw new Error('the example attached nothing');
      await wait();
    }
    const statistics = bpf.enableStatistics();
    const program = bpf.openProgramById(attached() ?? 0);
    const before = program.info.runCount;
    const socket = process.getBuiltinModule('node:dgram').createSocket('udp4');
    for (let i = 0; i < 50; i++) await new Promise((resolve) => socket.send('hello', i % 5 === 0 ? 9 : 10, '192.0.2.2', resolve));
    socket.close();
    for (let tries = 0; program.info.runCount < before + 50 && tries < 2000; tries++) await wait();
    statistics.close();
  }, hook);

test('the example counts the packets on a veth', async () => {
  const name = quietNamespace();
  const counting = runIn(name, `${scriptOf('count-packets/count.mjs')} v1 100`, { COUNT_OBJECT: compileFile(example('count-packets/count.bpf.c')) });
  sendWhenAttached(name, 'tc');
  counting.child.kill('SIGINT');
  const { stdout } = await counting;
  // 14 bytes Ethernet, 20 IPv4, 8 UDP, 5 hello
  expect(stdout).toBe(`v1 0x0800: 50 packets, ${50 * 47} bytes\n`);
});

test('the example of XDP drops what it is told to', async () => {
  const name = quietNamespace();
  const dropping = runIn(name, `${scriptOf('deny-port/deny.mjs')} v1 9 100`, { DENY_OBJECT: compileFile(example('deny-port/deny.bpf.c')) });
  sendWhenAttached(name, 'xdp');
  dropping.child.kill('SIGINT');
  const { stdout, stderr } = await dropping;
  expect(stdout).toBe('v1: 10 of 50 packets dropped\n');
  expect(stderr).toMatch(/^[1-9]\d* ns a packet\n$/);
});

test('the example of a cgroup gives a command an address that is another', () => {
  const name = namespace(onTestFinished);
  const group = cgroup(onTestFinished);
  const program = `const net = require('node:net');
    const server = net.createServer((socket) => socket.end('hello')).listen(4000, '127.0.0.1', () => {
      net.connect(80, '192.0.2.1', function () { console.log(this.remoteAddress, this.remotePort); }).on('data', (data) => console.log(String(data))).on('close', () => server.close());
    });`;
  const output = execFileSync('nsenter', [`--net=${name}`, process.execPath, scriptOf('service-address/service.mjs'), group, '192.0.2.1:80', '127.0.0.1:4000', process.execPath, '-e', program],
    { encoding: 'utf8', env: { ...process.env, SERVICE_OBJECT: compileFile(example('service-address/service.bpf.c')) }, timeout: 30_000 });
  expect(output).toBe('192.0.2.1 80\nhello\n');
});
