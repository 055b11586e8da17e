import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { compileFile } from './compile.ts';
import { folder, inNamespace, libraryPath, namespace } from './sandbox.ts';

const example = (name: string): string => fileURLToPath(new URL(`../examples/count-packets/${name}`, import.meta.url));

test('the example counts the packets on a veth', async () => {
  const name = namespace(onTestFinished);
  execFileSync('nsenter', [`--net=${name}`, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6']);
  execFileSync('nsenter', [`--net=${name}`, 'ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'v0']);
  execFileSync('nsenter', [`--net=${name}`, 'ip', 'neigh', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'v0', 'nud', 'permanent']);
  const script = `${folder(onTestFinished)}/count.mjs`;
  writeFileSync(script, readFileSync(example('count.mjs'), 'utf8').replace("'libbpf-napi'", JSON.stringify(libraryPath())));
  // A fresh mount of sysfs shows the devices of the namespace.
  const counting = promisify(execFile)('nsenter', [`--net=${name}`, 'unshare', '--mount', 'sh', '-c', `mount -t sysfs sysfs /sys && exec ${process.execPath} ${script} v1 4`],
    { env: { ...process.env, COUNT_OBJECT: compileFile(example('count.bpf.c')) }, timeout: 30_000 });
  inNamespace(name, async (bpf) => {
    for (let tries = 0; bpf.queryTc({ ifindex: 101, direction: 'ingress', priority: 1000 }) === undefined; tries++) {
      if (tries > 400) throw new Error('the example attached nothing');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const socket = process.getBuiltinModule('node:dgram').createSocket('udp4');
    for (let i = 0; i < 50; i++) await new Promise((resolve) => socket.send('hello', 9, '192.0.2.2', resolve));
    socket.close();
  }, null);
  const { stdout } = await counting;
  // 14 bytes Ethernet, 20 IPv4, 8 UDP, 5 hello
  expect(stdout).toBe(`v1 0x0800: 50 packets, ${50 * 47} bytes\n`);
});
